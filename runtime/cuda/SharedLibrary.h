//===- SharedLibrary.h - Libraries that need not be there -------*- C++ -*-===//

#ifndef FSDPRT_CUDA_SHAREDLIBRARY_H
#define FSDPRT_CUDA_SHAREDLIBRARY_H

#include "core/Status.h"

#include <string>
#include <vector>

namespace fsdprt::cuda {

/// A library that was found when the process ran. It stays loaded: its code
/// may have started threads.
class SharedLibrary {
public:
  /// The first of `names` that the dynamic linker finds. A failure says what
  /// was looked for, why none would do and how to come by `what`.
  static Expected<SharedLibrary> open(const std::string &what,
                                      const std::vector<std::string> &names,
                                      const std::string &remedy);

  /// Where the function `symbol` is; null if the library lacks it.
  template <typename Function>
  void find(const char *symbol, Function *&function) const {
    function = reinterpret_cast<Function *>(address(symbol));
  }

  /// The same, of a function that must be there.
  template <typename Function>
  Status bind(const char *symbol, Function *&function) const {
    find(symbol, function);
    return function ? Status() : lacks(symbol);
  }

  const std::string &path() const { return file; }

private:
  void *address(const char *symbol) const;
  Status lacks(const char *symbol) const;

  void *handle = nullptr;
  std::string what, file, remedy;
};

} // namespace fsdprt::cuda

#endif // FSDPRT_CUDA_SHAREDLIBRARY_H
