//===- Program.cpp - A compiled program on disk ---------------------------===//
#include "passes/Lower/Program.h"
#include "passes/Kernel/Compile.h"
#include "passes/Lower/Kernels.h"
#include "passes/Lower/Manifest.h"
#include "passes/Lower/Phases.h"
#include "passes/Output/Folder.h"
#include "passes/Output/Link.h"
#include "passes/Output/Replaceable.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

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

/// Links `objects`, files of the folder, to program.so. Symbols of the runtime
/// stay undefined: the process that loads it has them.
LogicalResult link(ModuleOp module, ArrayRef<std::string> objects,
                   const StagedFolder &folder) {
  std::string problem =
      linkShared(folder.path(), objects, "program.so", /*isWhole=*/false);
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

/// The kernels' code: objects of the program, and files that stay.
LogicalResult emitKernels(ModuleOp module, const ProgramOptions &options,
                          const Target &target, StagedFolder &folder,
                          std::vector<std::string> &objects,
                          std::vector<CodeFile> &files) {
  FailureOr<std::vector<ProgramKernel>> kernels = findKernels(module);
  if (failed(kernels))
    return failure();
  CodeOptions code;
  code.folder = folder.path();
  code.cpu = options.cpu;
  code.ptxas = options.ptxas;
  code.onKernel = options.onKernel;
  code.write = [&](StringRef name, StringRef content) {
    return writeFile(module, folder, name, content);
  };
  FailureOr<std::vector<CodeFile>> all = target.compileKernels(*kernels, code);
  if (failed(all) || failed(checkLaunches(module, *kernels)))
    return failure();
  for (const CodeFile &file : *all)
    if (file.form == "object")
      objects.push_back(file.name);
    else
      files.push_back(file);
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
  FailureOr<std::unique_ptr<Target>> target = getTarget(module);
  if (failed(target))
    return failure();
  std::string cpu = (*target)->getHostCpu(options.cpu);
  FailureOr<KernelTarget> host = getKernelTarget(cpu);
  if (failed(host))
    return module.emitError("unknown target CPU '") << cpu << "'";

  auto begin = [&](StringRef part) {
    if (options.onPart)
      options.onPart(part);
  };
  std::vector<std::string> objects;
  begin("kernels");
  std::vector<CodeFile> files;
  if (failed(emitKernels(module, options, **target, folder, objects, files)))
    return failure();
  begin("host code");
  llvm::LLVMContext context;
  FailureOr<std::unique_ptr<llvm::Module>> phases =
      translatePhases(module, context);
  if (failed(phases) ||
      failed(emitObject(module, **phases, *host, folder, "phases", objects)))
    return failure();
  if (failed(link(module, objects, folder)))
    return failure();

  ProgramTarget described{
      (*target)->getKind().str(), host->triple, host->cpu, host->featureNames,
      (*target)->getArch().str(), files};
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
