//===- DeviceApi.cpp - Devices and contexts -------------------------------===//

#include "test/simcuda/Api.h"

#include <cstdio>
#include <cstring>

using namespace simcuda;
using namespace fsdprt::cuda;

static thread_local CUcontext current;

void simcuda::forgetContext() { current = nullptr; }

Device *simcuda::currentDevice() { return current ? current->device : nullptr; }

CUresult simcuda::needDevice(Device *&device) {
  device = currentDevice();
  if (simulator().devices.empty())
    return CUDA_ERROR_NOT_INITIALIZED;
  return device ? device->error() : CUDA_ERROR_INVALID_CONTEXT;
}

static bool isDevice(CUdevice device) {
  return device >= 0 && size_t(device) < simulator().devices.size();
}

SIMCUDA_API cuInit(unsigned) {
  auto lock = enter(__func__);
  Simulator &s = simulator();
  if (!s.settings.valid)
    return CUDA_ERROR_INVALID_VALUE;
  if (s.settings.devices <= 0)
    return CUDA_ERROR_NO_DEVICE;
  while (s.devices.size() < size_t(s.settings.devices))
    s.devices.push_back(
        std::make_unique<Device>(s.devices.size(), s.settings.seed));
  return CUDA_SUCCESS;
}

SIMCUDA_API cuDriverGetVersion(int *version) {
  auto lock = enter(__func__);
  *version = simulator().settings.driverVersion;
  return CUDA_SUCCESS;
}

SIMCUDA_API cuDeviceGetCount(int *count) {
  auto lock = enter(__func__);
  *count = simulator().devices.size();
  return *count ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

SIMCUDA_API cuDeviceGet(CUdevice *device, int ordinal) {
  auto lock = enter(__func__);
  *device = ordinal;
  return isDevice(ordinal) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

SIMCUDA_API cuDeviceGetName(char *name, int bytes, CUdevice device) {
  auto lock = enter(__func__);
  std::snprintf(name, bytes, "simulated GPU");
  return isDevice(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

SIMCUDA_API cuDeviceGetAttribute(int *value, CUdevice_attribute attribute,
                                 CUdevice device) {
  auto lock = enter(__func__);
  switch (attribute) {
  case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    *value = 1024;
    break;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
    *value = 48 * 1024;
    break;
  case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
    *value = 32;
    break;
  case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
  case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
    *value = 1000000;
    break;
  case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
    *value = 4;
    break;
  case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
    *value = 1024;
    break;
  case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
  case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    *value = 1;
    break;
  case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
    *value = device;
    break;
  case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID:
  case CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID:
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
    *value = 0;
    break;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
    *value = 9;
    break;
  default:
    return CUDA_ERROR_INVALID_VALUE;
  }
  return isDevice(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

SIMCUDA_API cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  auto lock = enter(__func__);
  *bytes = simulator().settings.memory;
  return isDevice(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

SIMCUDA_API cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) {
  auto lock = enter(__func__);
  std::memset(uuid->bytes, 0, sizeof uuid->bytes);
  uuid->bytes[15] = char(device);
  return isDevice(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

SIMCUDA_API cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  auto lock = enter(__func__);
  if (!isDevice(device))
    return CUDA_ERROR_INVALID_DEVICE;
  *context = &simulator().devices[device]->context;
  return CUDA_SUCCESS;
}

SIMCUDA_API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  auto lock = enter(__func__);
  return isDevice(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

SIMCUDA_API cuCtxSetCurrent(CUcontext context) {
  current = context;
  return CUDA_SUCCESS;
}

SIMCUDA_API cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  *least = 0;
  *greatest = -5;
  return CUDA_SUCCESS;
}
