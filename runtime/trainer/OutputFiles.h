//===- OutputFiles.h - Files that a run writes ------------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_OUTPUTFILES_H
#define FSDPRT_TRAINER_OUTPUTFILES_H

#include "core/Manifest.h"
#include "core/Status.h"
#include "trainer/CommandLine.h"

#include <optional>

namespace fsdprt {

/// Where a rank writes its records: the first one to `records` itself.
std::string recordsOf(const std::string &records, int rank);

/// Checks that --metrics, --records (of every rank), --trace, --autotune and
/// --save are different files and replace no input nor a file that the program
/// consists of or reads, and that none is inside of the program's folder; and
/// that the reports can be written, those of rank `self` or, without, of all;
/// before anything is written or computed.
Status checkOutputFiles(const RunOptions &options, const Manifest &manifest,
                        std::optional<int> self);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_OUTPUTFILES_H
