//===- MakeDevice.cpp - The device of a program ---------------------------===//

#include "trainer/MakeDevice.h"

#include "cuda/CudaDevice.h"
#include "trainer/Failure.h"

using namespace fsdprt;

fsdprt_context::MakeDevice fsdprt::deviceOf(const RunOptions &options,
                                            const Manifest &manifest,
                                            const RankSetup &setup) {
  if (manifest.target != "cuda")
    return CpuDevice::create;
  return [&](Communicator &communicator, Device::Options deviceOptions) {
    deviceOptions.graphs = options.graph == "on";
    deviceOptions.autotune = options.autotune;
    if (communicator.rank() == 0) // the others would say the same
      deviceOptions.onWarning = reportWarning;
    return cuda::CudaDevice::create(manifest, setup.place, setup.exchanges,
                                    communicator, std::move(deviceOptions));
  };
}
