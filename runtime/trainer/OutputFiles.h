//===- OutputFiles.h - Files that a run writes ------------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_OUTPUTFILES_H
#define FSDPRT_TRAINER_OUTPUTFILES_H

#include "core/Manifest.h"
#include "core/Status.h"
#include "trainer/CommandLine.h"

namespace fsdprt {

/// Checks that --metrics, --records, --trace and --save are different files
/// and replace no input nor a file that the program consists of or reads, that
/// none is inside of the program's folder, and that the reports can be written;
/// before anything is written or computed.
Status checkOutputFiles(const RunOptions &options, const Manifest &manifest);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_OUTPUTFILES_H
