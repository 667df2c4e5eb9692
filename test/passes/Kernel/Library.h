//===- Library.h - Objects, linked and loaded -------------------*- C++ -*-===//
#ifndef FSDP_TEST_PASSES_KERNEL_LIBRARY_H
#define FSDP_TEST_PASSES_KERNEL_LIBRARY_H

#include "llvm/ADT/StringRef.h"

#include <memory>
#include <string>

namespace fsdp::test {
class Library {
public:
  /// Links an object file's bytes and loads the result, which may use what the
  /// executable exports; null and what is wrong.
  static std::unique_ptr<Library> load(llvm::StringRef object,
                                       std::string &problem);
  Library(const Library &) = delete;
  ~Library();

  /// The address of a symbol, null if there is none.
  void *find(const std::string &symbol) const;

private:
  explicit Library(void *handle) : handle(handle) {}
  void *handle;
};
} // namespace fsdp::test

#endif // FSDP_TEST_PASSES_KERNEL_LIBRARY_H
