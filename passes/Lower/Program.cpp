//===- Program.cpp - A compiled program on disk ---------------------------===//
#include "passes/Lower/Program.h"
#include "passes/Kernel/Compile.h"
#include "passes/Lower/Manifest.h"
#include "passes/Lower/Phases.h"
#include "passes/Output/Command.h"
#include "passes/Output/Folder.h"
#include "passes/Output/Replaceable.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// Writes `content` to file `name` of `folder`; a full disk is an error, not a
/// short file.
LogicalResult writeFile(ModuleOp module, const StagedFolder &folder,
                        StringRef name, StringRef content) {
  std::error_code error;
  llvm::raw_fd_ostream stream(folder.file(name), error);
  if (!error) {
    stream << content;
    stream.close();
    error = stream.error();
    stream.clear_error();
  }
  if (error)
    return module.emitError("cannot write '")
           << folder.target() << "': " << error.message();
  return success();
}

/// Links `objects`, files of the folder, to program.so.
LogicalResult link(ModuleOp module, ArrayRef<std::string> objects,
                   const StagedFolder &folder) {
  auto linker = llvm::sys::findProgramByName("ld.lld-19");
  if (!linker)
    linker = llvm::sys::findProgramByName("ld.lld");
  if (!linker)
    return module.emitError("cannot find ld.lld-19 in PATH: install lld-19");
  // Thousands of objects are more than a command line takes.
  if (failed(writeFile(module, folder, "objects", llvm::join(objects, "\n"))))
    return failure();
  // Symbols of the runtime stay undefined: the process that loads it has them.
  // One thread does: there may be no more.
  std::string problem =
      runCommand({*linker, "-shared", "--threads=1", "--gc-sections", "-z",
                  "now", "-o", "program.so", "@objects"},
                 folder.path());
  llvm::sys::fs::remove(folder.file("objects"));
  if (!problem.empty())
    return module.emitError("linking '")
           << folder.target() << "/program.so' failed: " << problem;
  return success();
}

LogicalResult emitObject(ModuleOp module, llvm::Module &llvmModule,
                         const KernelTarget &target, StagedFolder &folder,
                         StringRef name, std::vector<std::string> &objects) {
  SmallVector<char, 0> object;
  if (failed(compileToObject(llvmModule, target, object)))
    return module.emitError("cannot generate code for '") << name << "'";
  objects.push_back((name + ".o").str());
  return writeFile(module, folder, objects.back(),
                   StringRef(object.data(), object.size()));
}

/// One object a kernel module.
LogicalResult emitKernels(ModuleOp module, const ProgramOptions &options,
                          const KernelTarget &target, StagedFolder &folder,
                          std::vector<std::string> &objects) {
  SmallVector<ModuleOp> kernels(module.getOps<ModuleOp>());
  for (auto [i, kernel] : llvm::enumerate(kernels)) {
    SmallVector<char, 0> object;
    // Not the symbol: a plan written by hand may name a kernel anything.
    objects.push_back("k" + std::to_string(i) + ".o");
    if (failed(compileKernel(kernel, target, object)) ||
        failed(writeFile(module, folder, objects.back(),
                         StringRef(object.data(), object.size()))))
      return failure();
    if (options.onKernel)
      options.onKernel(i + 1, kernels.size());
  }
  return success();
}
} // namespace

LogicalResult fsdp::writeProgram(ModuleOp module, StringRef path,
                                 const ProgramOptions &options) {
  if (std::string problem = checkReplaceable(path); !problem.empty())
    return module.emitError(problem);
  StagedFolder folder(path);
  if (std::error_code error = folder.create())
    return module.emitError("cannot write '")
           << path << "': " << error.message();
  FailureOr<KernelTarget> target = getKernelTarget(options.cpu);
  if (failed(target))
    return module.emitError("unknown target CPU '") << options.cpu << "'";

  auto begin = [&](StringRef part) {
    if (options.onPart)
      options.onPart(part);
  };
  std::vector<std::string> objects;
  begin("kernels");
  if (failed(emitKernels(module, options, *target, folder, objects)))
    return failure();
  begin("host code");
  llvm::LLVMContext context;
  FailureOr<std::unique_ptr<llvm::Module>> phases =
      translatePhases(module, context);
  if (failed(phases) ||
      failed(emitObject(module, **phases, *target, folder, "phases", objects)))
    return failure();
  if (failed(link(module, objects, folder)))
    return failure();
  for (const std::string &object : objects)
    llvm::sys::fs::remove(folder.file(object));

  ProgramTarget described{target->triple, target->cpu, target->featureNames};
  FailureOr<llvm::json::Object> manifest = buildManifest(module, described);
  if (failed(manifest))
    return failure();
  std::string text =
      llvm::formatv("{0:2}\n", llvm::json::Value(std::move(*manifest)));
  if (failed(writeFile(module, folder, "manifest.json", text)))
    return failure();
  std::string warning;
  if (std::string problem = folder.commit(warning); !problem.empty())
    return module.emitError("cannot write '") << path << "': " << problem;
  if (!warning.empty())
    module.emitWarning(warning);
  return success();
}
