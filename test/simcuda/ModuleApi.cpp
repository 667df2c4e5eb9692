//===- ModuleApi.cpp - Modules and launches -------------------------------===//

#include "test/simcuda/Api.h"
#include "test/simcuda/Kernel.h"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace simcuda;
using namespace fsdprt::cuda;

/// The bytes of an ELF image, which nobody says the length of.
static uint64_t imageBytes(const Elf64_Ehdr &header) {
  auto *base = reinterpret_cast<const char *>(&header);
  uint64_t end = header.e_shoff + uint64_t(header.e_shnum) * header.e_shentsize;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, base + header.e_phoff + i * header.e_phentsize,
                sizeof segment);
    end = std::max<uint64_t>(end, segment.p_offset + segment.p_filesz);
  }
  return end;
}

/// What the driver says to PTX without its compiler, to a GPU's code for
/// another chip, and to anything else.
static CUresult checkImage(const void *image, std::string &why) {
  Elf64_Ehdr header;
  constexpr uint16_t machineCuda = 190;
  if (std::memcmp(image, ELFMAG, SELFMAG) != 0) {
    why = "the simulator has no compiler of PTX: compile the program for "
          "--gpu-arch simulated";
    return std::strstr(static_cast<const char *>(image), ".version")
               ? CUDA_ERROR_JIT_COMPILER_NOT_FOUND
               : CUDA_ERROR_INVALID_IMAGE;
  }
  std::memcpy(&header, image, sizeof header);
  why = "the image is not code for the simulator: compile the program for "
        "--gpu-arch simulated";
  if (header.e_machine == machineCuda)
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  return header.e_type == ET_DYN ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
}

/// A file of its own: two devices do not share a module's data.
static void openImage(const void *image, CUmod_st &module, std::string &why) {
  uint64_t bytes = imageBytes(*static_cast<const Elf64_Ehdr *>(image));
  module.file = ::memfd_create("simcuda-module", MFD_CLOEXEC);
  if (module.file < 0 || ::write(module.file, image, bytes) != ssize_t(bytes)) {
    why = std::strerror(errno);
    return;
  }
  // The file stays open: the dynamic linker knows libraries by their paths.
  std::string path = "/proc/self/fd/" + std::to_string(module.file);
  module.handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module.handle)
    why = ::dlerror();
}

/// The data that the module's file does not hold: that of shared memory, and
/// the hooks.
static void findShared(CUmod_st &module) {
  link_map *map = nullptr;
  if (::dlinfo(module.handle, RTLD_DI_LINKMAP, &map) != 0)
    return;
  struct Search {
    uintptr_t base;
    CUmod_st &module;
  } search = {map->l_addr, module};
  ::dl_iterate_phdr(
      [](dl_phdr_info *info, size_t, void *data) {
        auto &search = *static_cast<Search *>(data);
        if (info->dlpi_addr != search.base)
          return 0;
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto &segment = info->dlpi_phdr[i];
          char *begin = reinterpret_cast<char *>(search.base + segment.p_vaddr +
                                                 segment.p_filesz);
          uint64_t bytes = segment.p_memsz - segment.p_filesz;
          auto *hooks = reinterpret_cast<char *>(search.module.hooks);
          if (segment.p_type != PT_LOAD || hooks < begin ||
              hooks >= begin + bytes)
            continue;
          search.module.shared = begin;
          search.module.sharedBytes = bytes;
        }
        return 1;
      },
      &search);
}

CUmod_st::~CUmod_st() {
  if (handle)
    ::dlclose(handle);
  if (file >= 0)
    ::close(file);
}

static void say(unsigned count, const CUjit_option *options, void **values,
                const std::string &why) {
  char *log = nullptr;
  size_t bytes = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER)
      log = static_cast<char *>(values[i]);
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
      bytes = uint32_t(reinterpret_cast<uintptr_t>(values[i]));
  }
  if (log && bytes)
    std::snprintf(log, bytes, "%s", why.c_str());
}

static CUresult load(const void *image, CUmod_st &module, std::string &why) {
  if (CUresult wrong = checkImage(image, why))
    return wrong;
  openImage(image, module, why);
  if (!module.handle)
    return CUDA_ERROR_INVALID_IMAGE;
  module.hooks = static_cast<fsdprt_simulated_hooks *>(
      ::dlsym(module.handle, "fsdp_simulated_hooks"));
  auto *kernel = static_cast<const fsdprt_simulated_kernel *>(
      ::dlsym(module.handle, "fsdp_simulated_kernels"));
  if (!module.hooks || !kernel) {
    why = "the image has no fsdp_simulated_hooks or fsdp_simulated_kernels";
    return CUDA_ERROR_INVALID_IMAGE;
  }
  for (; kernel->name; ++kernel)
    module.functions.push_back({kernel, &module, 0});
  findShared(module);
  return CUDA_SUCCESS;
}

SIMCUDA_API cuModuleLoadDataEx(CUmodule *module, const void *image,
                               unsigned count, CUjit_option *options,
                               void **values) {
  auto lock = enter(__func__);
  *module = nullptr;
  Device *device;
  if (CUresult wrong = needDevice(device))
    return wrong;
  if (CUresult wrong = checkNotCaptured())
    return wrong;
  auto one = std::make_unique<CUmod_st>();
  std::string why;
  CUresult result = load(image, *one, why);
  if (result == CUDA_SUCCESS)
    *module = one.release();
  else
    say(count, options, values, why);
  return result;
}

SIMCUDA_API cuModuleUnload(CUmodule module) {
  auto lock = enter(__func__);
  if (!module)
    return CUDA_ERROR_INVALID_HANDLE;
  delete module;
  return CUDA_SUCCESS;
}

SIMCUDA_API cuModuleGetFunction(CUfunction *function, CUmodule module,
                                const char *name) {
  auto lock = enter(__func__);
  *function = nullptr;
  if (!module)
    return CUDA_ERROR_INVALID_HANDLE;
  for (CUfunc_st &one : module->functions)
    if (std::strcmp(one.kernel->name, name) == 0)
      *function = &one;
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

SIMCUDA_API cuFuncGetAttribute(int *value, CUfunction_attribute attribute,
                               CUfunction function) {
  auto lock = enter(__func__);
  if (!function)
    return CUDA_ERROR_INVALID_HANDLE;
  switch (attribute) {
  case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    *value = function->kernel->threads;
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_NUM_REGS:
  case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
  case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
    *value = 0; // the host's code has none of a GPU's
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

static CUresult checkShape(const fsdprt_simulated_kernel &kernel, unsigned x,
                           unsigned y, unsigned z, unsigned threads) {
  if (x == 0 || x > 0x7fffffff || y != 1 || z != 1)
    return CUDA_ERROR_INVALID_VALUE;
  if (threads == kernel.threads)
    return CUDA_SUCCESS;
  report("cuLaunchKernel: '%s' was compiled for blocks of %u threads, not %u",
         kernel.name, kernel.threads, threads);
  return CUDA_ERROR_INVALID_VALUE;
}

SIMCUDA_API cuLaunchKernel(CUfunction function, unsigned grid_x,
                           unsigned grid_y, unsigned grid_z, unsigned block_x,
                           unsigned block_y, unsigned block_z, unsigned,
                           CUstream stream, void **parameters, void **extra) {
  auto lock = enter(__func__);
  if (!function)
    return CUDA_ERROR_INVALID_HANDLE;
  const fsdprt_simulated_kernel &kernel = *function->kernel;
  if (CUresult wrong = checkShape(kernel, grid_x, grid_y, grid_z, block_x))
    return takeAnnouncement(), wrong;
  if (block_y != 1 || block_z != 1 || !parameters || extra)
    return takeAnnouncement(), CUDA_ERROR_INVALID_VALUE;
  Launch launch = {function, grid_x, {}};
  for (uint32_t i = 0; i < kernel.num_args; ++i)
    launch.args.push_back(*static_cast<const CUdeviceptr *>(parameters[i]));
  Task task;
  task.name = kernel.name;
  task.declared = false;
  task.begin = [stream, launch](const Task &self,
                                const IdentityRef &who) -> Work {
    return [stream, launch, &self, who] {
      return runKernel(*stream->device, launch, self.ranges, self.declared,
                       who);
    };
  };
  return enqueue(stream, std::move(task));
}
