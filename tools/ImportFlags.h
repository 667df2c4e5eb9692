//===- ImportFlags.h - Command line of the import ---------------*- C++ -*-===//
#ifndef FSDP_TOOLS_IMPORTFLAGS_H
#define FSDP_TOOLS_IMPORTFLAGS_H

#include "dialects/Onnx/Import/Import.h"
#include "llvm/Support/CommandLine.h"

namespace fsdp {
/// The flags of a tool that reads .onnx files; constructing it registers them.
class ImportFlags {
public:
  ImportFlags();
  /// The options given; fails after a message on stderr.
  mlir::FailureOr<onnx::ImportOptions> get() const;
  /// Where --help lists them.
  llvm::cl::OptionCategory &getCategory() { return category; }

private:
  llvm::cl::OptionCategory category;
  llvm::cl::list<std::string> dims, binds, params, freeze, train, ties, drops,
      renames, paddings;
  llvm::cl::opt<bool> untie, init;
};
} // namespace fsdp

#endif // FSDP_TOOLS_IMPORTFLAGS_H
