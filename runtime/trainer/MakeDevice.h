//===- MakeDevice.h - The device of a program -------------------*- C++ -*-===//

#ifndef FSDPRT_TRAINER_MAKEDEVICE_H
#define FSDPRT_TRAINER_MAKEDEVICE_H

#include "abi/Context.h"
#include "trainer/Trainer.h"

namespace fsdprt {

/// Makes the device that the program was compiled for. The arguments outlive
/// what is returned.
fsdprt_context::MakeDevice deviceOf(const RunOptions &options,
                                    const Manifest &manifest,
                                    const RankSetup &setup);

} // namespace fsdprt

#endif // FSDPRT_TRAINER_MAKEDEVICE_H
