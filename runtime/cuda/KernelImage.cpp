//===- KernelImage.cpp - The GPU code of a program ------------------------===//

#include "cuda/KernelImage.h"

#include <fstream>
#include <iterator>

using namespace fsdprt;
using namespace fsdprt::cuda;

/// The file's bytes and a 0, which PTX ends with.
static Expected<std::string> readImage(const std::string &path) {
  std::ifstream stream(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(stream)),
                    std::istreambuf_iterator<char>());
  if (!stream || bytes.empty())
    return failure("cannot read '", path, "'; compile the program again");
  return bytes;
}

/// Loads one file; `log` gets what the driver says of PTX that it refuses.
static CUresult loadModule(const Gpu &gpu, const std::string &image,
                           CUmodule &module, std::string &log) {
  char buffer[4096] = "";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER,
                            CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {buffer, reinterpret_cast<void *>(sizeof(buffer) - 1)};
  CUresult result =
      gpu.api().cuModuleLoadDataEx(&module, image.c_str(), 2, options, values);
  log = std::string(buffer).substr(0, std::string(buffer).find('\n'));
  return result;
}

/// What the driver says where the code is for other GPUs, or newer than it.
static bool isForOthers(CUresult result) {
  return result == CUDA_ERROR_NO_BINARY_FOR_GPU ||
         result == CUDA_ERROR_INVALID_IMAGE ||
         result == CUDA_ERROR_INVALID_PTX ||
         result == CUDA_ERROR_UNSUPPORTED_PTX_VERSION ||
         result == CUDA_ERROR_JIT_COMPILER_NOT_FOUND;
}

Expected<KernelImage> KernelImage::load(const Gpu &gpu,
                                        const Manifest &manifest) {
  std::string problem = "it has no GPU code";
  for (const KernelFile &file : manifest.kernels) {
    std::string path = manifest.folder + "/" + file.file;
    Expected<std::string> image = readImage(path);
    if (!image.ok())
      return image.status();
    CUmodule module = nullptr;
    std::string log;
    CUresult result = loadModule(gpu, *image, module, log);
    if (result == CUDA_SUCCESS)
      return KernelImage(gpu, module);
    problem = gpu.api().describe(result) + (log.empty() ? "" : ": " + log);
    if (!isForOthers(result))
      return failure("cannot load '", path, "': ", problem);
  }
  int chip = gpu.capability();
  std::string known = chip >= 100 ? "sm_100" : chip >= 90 ? "sm_90" : "sm_80";
  std::string remedy = chip < 80 ? "it is older than what --gpu-arch knows"
                       : manifest.arch == known
                           ? "compile it again, or install a newer driver"
                           : "compile it with --gpu-arch " + known +
                                 ", or install a newer driver";
  return failure("the program was compiled for ", manifest.arch,
                 " and this GPU, ", gpu.name(), " (sm_", chip,
                 "), does not take it: ", problem, "; ", remedy);
}

KernelImage::~KernelImage() {
  if (module)
    gpu->api().cuModuleUnload(module);
}

Expected<CUfunction> KernelImage::find(const char *symbol,
                                       int32_t threads) const {
  CUfunction function = nullptr;
  CUresult result = gpu->api().cuModuleGetFunction(&function, module, symbol);
  if (result == CUDA_ERROR_NOT_FOUND)
    return failure("the program's GPU code lacks the kernel '", symbol,
                   "'; compile it again");
  FSDPRT_RETURN_IF_ERROR(gpu->check("cuModuleGetFunction", result));
  int most = 0;
  FSDPRT_CUDA(*gpu, cuFuncGetAttribute, &most,
              CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, function);
  if (threads > most)
    return failure("the kernel '", symbol, "' is launched in blocks of ",
                   threads, " threads, and takes at most ", most);
  return function;
}
