//===- Info.h - What a program is -------------------------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_INFO_H
#define FSDPRT_TRAINER_INFO_H

#include "core/Manifest.h"

namespace fsdprt {

/// fsdp-run --info: what the manifest says, for people; lines of a name and a
/// value. Of a program for another machine too.
std::string describeProgram(const Manifest &manifest);

/// Bytes of the planned buffers that are in use together when most are, of the
/// phase and the operation of which that is so.
struct FullestMoment {
  std::string phase;
  int64_t operation = 0, operations = 0; // in issue order, from 0; of the phase
  std::map<std::string, int64_t> bytesByKind;
};
FullestMoment fullestMoment(const Manifest &manifest);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_INFO_H
