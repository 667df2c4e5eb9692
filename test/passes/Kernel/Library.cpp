//===- Library.cpp - Objects, linked and loaded ---------------------------===//
#include "test/passes/Kernel/Library.h"
#include "runtime/abi/fsdprt.h"
#include "test/passes/Kernel/Watch.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <dlfcn.h>

using namespace fsdp::test;
using llvm::StringRef;

Library::~Library() { dlclose(handle); }

void *Library::find(const std::string &symbol) const {
  return dlsym(handle, symbol.c_str());
}

std::unique_ptr<Library> Library::load(StringRef object, std::string &problem) {
  llvm::SmallString<64> objectPath, libraryPath;
  int descriptor;
  auto linker = llvm::sys::findProgramByName("ld.lld-19");
  if (!linker ||
      llvm::sys::fs::createTemporaryFile("kernel", "o", descriptor,
                                         objectPath) ||
      llvm::sys::fs::createTemporaryFile("kernel", "so", libraryPath)) {
    problem = "no ld.lld-19 in PATH, or no temporary file";
    return nullptr;
  }
  llvm::FileRemover removeObject(objectPath), removeLibrary(libraryPath);
  llvm::raw_fd_ostream(descriptor, /*shouldClose=*/true) << object;
  StringRef arguments[] = {*linker, "-shared", "-o", libraryPath, objectPath};
  void *handle = nullptr;
  if (llvm::sys::ExecuteAndWait(*linker, arguments) == 0)
    handle = dlopen(libraryPath.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle)
    return std::unique_ptr<Library>(new Library(handle));
  problem = "cannot load a kernel: it needs what nothing defines";
  return nullptr;
}

//===----------------------------------------------------------------------===//
// What kernels call
//===----------------------------------------------------------------------===//

/// What is read, as a kernel's own accesses are.
template <typename T> static T watched(const T &value) {
  Watch::load(&value, sizeof value);
  return value;
}

/// The formula in fsdprt.h, of operands that read(pointer, element) gives.
template <typename T, typename Read>
static fsdprt_status multiplyTiles(int32_t flags, int64_t m, int64_t n,
                                   int64_t k, float alpha, const T *a,
                                   int64_t lda, const T *b, int64_t ldb,
                                   float *c, int64_t ldc, Read read) {
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < k; ++l)
        sum +=
            read(a[flags & FSDPRT_TILE_TRANS_A ? l * lda + i : i * lda + l]) *
            read(b[flags & FSDPRT_TILE_TRANS_B ? j * ldb + l : l * ldb + j]);
      float *at = c + i * ldc + j;
      float before = flags & FSDPRT_TILE_ADD ? watched(*at) : 0;
      Watch::store(at, sizeof *at);
      *at = float(before + alpha * sum);
    }
  return 0;
}

// The kernels find these in the test's executable.
extern "C" fsdprt_status fsdprt_tile_gemm(int32_t flags, int64_t m, int64_t n,
                                          int64_t k, float alpha,
                                          const float *a, int64_t lda,
                                          const float *b, int64_t ldb, float *c,
                                          int64_t ldc) {
  return multiplyTiles(
      flags, m, n, k, alpha, a, lda, b, ldb, c, ldc,
      [](const float &value) { return double(watched(value)); });
}

extern "C" fsdprt_status
fsdprt_tile_gemm_bf16(int32_t flags, int64_t m, int64_t n, int64_t k,
                      float alpha, const uint16_t *a, int64_t lda,
                      const uint16_t *b, int64_t ldb, float *c, int64_t ldc) {
  return multiplyTiles(
      flags, m, n, k, alpha, a, lda, b, ldb, c, ldc, [](const uint16_t &value) {
        return double(llvm::bit_cast<float>(uint32_t(watched(value)) << 16));
      });
}
