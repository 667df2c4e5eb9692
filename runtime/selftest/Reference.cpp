//===- Reference.cpp - A program's kernels, computed by the host ----------===//

#include "selftest/Reference.h"

#include "core/DType.h"
#include "trainer/Program.h"

#include <algorithm>
#include <dlfcn.h>
#include <unistd.h>

using namespace fsdprt;
using namespace fsdprt::selftest;

Expected<std::string> selftest::referencePath(const Manifest &manifest) {
  if (manifest.reference.empty())
    return failure(
        "the program has no CPU code of its kernels to compare a GPU "
        "with: compile it again");
  std::string path = manifest.folder + "/" + manifest.reference;
  if (::access(path.c_str(), R_OK) != 0)
    return failure("cannot read '", path, "'; compile the program again");
  FSDPRT_RETURN_IF_ERROR(checkImports(path));
  return path[0] == '/' ? path : "./" + path;
}

/// Of x86-64-v3, which the code is compiled for.
static Status checkCpu() {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
    return failure("this host's CPU lacks AVX2 or FMA, which the CPU's code of "
                   "the program's kernels uses");
#endif
  return Status();
}

Expected<std::unique_ptr<Reference>> Reference::load(const Manifest &manifest) {
  std::unique_ptr<Reference> reference(new Reference());
  if (manifest.kernels.empty())
    return reference;
  FSDPRT_RETURN_IF_ERROR(checkCpu());
  Expected<std::string> path = referencePath(manifest);
  if (!path.ok())
    return path.status();
  reference->handle = ::dlopen(path->c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!reference->handle)
    return failure("cannot load '", *path, "': ", ::dlerror());
  auto *kernel = static_cast<const fsdprt_reference_kernel *>(
      ::dlsym(reference->handle, "fsdp_reference_kernels"));
  if (!kernel)
    return failure("'", *path,
                   "' lacks fsdp_reference_kernels; compile the "
                   "program again");
  for (; kernel->symbol; ++kernel)
    reference->kernels[kernel->symbol] = kernel;
  return reference;
}

Reference::~Reference() {
  if (handle)
    ::dlclose(handle);
}

/// That the launch's arguments hold what the kernel takes.
static Status checkArguments(const fsdprt_reference_kernel &kernel,
                             const fsdprt_launch_desc &desc) {
  int64_t given = desc.op.num_args - (desc.scratch_bytes ? 1 : 0);
  if (given != kernel.num_args)
    return failure("it has ", given, " arguments, its CPU code takes ",
                   kernel.num_args);
  for (int64_t i = 0; i < given; ++i) {
    int64_t bytes = kernel.args[i].elements * sizeOfDType(kernel.args[i].dtype);
    if (bytes <= 0 || desc.op.args[i].bytes < bytes)
      return failure("argument ", i, " has ", desc.op.args[i].bytes,
                     " bytes, its CPU code takes ", bytes);
  }
  return Status();
}

Expected<HostKernel> Reference::find(const fsdprt_launch_desc &desc) const {
  if (desc.kernel)
    return HostKernel{desc.kernel, desc.extent, desc.scratch_bytes, nullptr};
  auto found = kernels.find(desc.symbol);
  if (found == kernels.end())
    return failure("the program has no CPU code of kernel '", desc.symbol,
                   "'; compile it again");
  const fsdprt_reference_kernel &kernel = *found->second;
  FSDPRT_RETURN_IF_ERROR(checkArguments(kernel, desc));
  return HostKernel{kernel.kernel, kernel.extent, kernel.scratch_bytes,
                    kernel.args};
}

Status selftest::runOnHost(const HostKernel &kernel,
                           const HostArguments &arguments, WorkerPool &workers,
                           const std::function<void()> &onProgress) {
  std::vector<void *> args = pointersTo(arguments);
  std::vector<HostBuffer> scratch;
  for (int i = 0; i < workers.size(); ++i)
    scratch.emplace_back(kernel.scratchBytes);
  // In parts, between which others see that something happens.
  int64_t part = std::max<int64_t>(workers.size(), kernel.extent / 64);
  for (int64_t done = 0; done < kernel.extent; done += part) {
    int32_t status = workers.run(
        std::min(part, kernel.extent - done), workers.size(),
        [&](int worker, int64_t begin, int64_t end) {
          void *own = kernel.scratchBytes ? scratch[worker].data() : nullptr;
          return kernel.kernel(args.data(), own, done + begin, done + end);
        });
    if (status)
      return failure("the CPU's kernel fails with status ", status);
    onProgress();
  }
  return Status();
}
