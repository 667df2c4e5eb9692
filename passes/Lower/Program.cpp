//===- Program.cpp - A compiled program on disk ---------------------------===//
#include "passes/Lower/Program.h"
#include "passes/Kernel/Compile.h"
#include "passes/Lower/Manifest.h"
#include "passes/Lower/Phases.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// A folder beside the final one, removed unless it is committed.
class StagedFolder {
public:
  explicit StagedFolder(StringRef path) : path(path) {}
  ~StagedFolder() {
    if (!staging.empty())
      llvm::sys::fs::remove_directories(staging);
  }

  std::error_code create() {
    std::string name = llvm::formatv("{0}.partial-{1}", path,
                                     llvm::sys::Process::getProcessId());
    // As open to others as the user's umask says.
    if (std::error_code error = llvm::sys::fs::create_directory(
            name, false, llvm::sys::fs::all_all))
      return error;
    staging = name;
    return {};
  }

  std::string file(StringRef name) const {
    SmallString<128> result(staging);
    llvm::sys::path::append(result, name);
    return std::string(result);
  }

  /// Puts the folder in its place, and what was there out of it.
  std::error_code commit() {
    std::string old = staging + ".old";
    bool existed = llvm::sys::fs::exists(path);
    if (existed)
      if (std::error_code error = llvm::sys::fs::rename(path, old))
        return error;
    if (std::error_code error = llvm::sys::fs::rename(staging, path)) {
      if (existed)
        llvm::sys::fs::rename(old, path);
      return error;
    }
    staging.clear();
    if (existed)
      llvm::sys::fs::remove_directories(old);
    return {};
  }

private:
  std::string path, staging;
};

/// Writes `content` to `file`; a full disk is an error, not a short file.
LogicalResult writeFile(ModuleOp module, const std::string &file,
                        StringRef content) {
  std::error_code error;
  llvm::raw_fd_ostream stream(file, error);
  if (!error) {
    stream << content;
    stream.close();
    error = stream.error();
    stream.clear_error();
  }
  if (error)
    return module.emitError("cannot write '")
           << file << "': " << error.message();
  return success();
}

/// Links `objects` to the shared object `output`.
LogicalResult link(ModuleOp module, ArrayRef<std::string> objects,
                   const std::string &output) {
  auto linker = llvm::sys::findProgramByName("ld.lld-19");
  if (!linker)
    linker = llvm::sys::findProgramByName("ld.lld");
  if (!linker)
    return module.emitError("cannot find ld.lld-19 in PATH: install lld-19");
  std::string responseFile = output + ".objects", response;
  for (const std::string &object : objects)
    response += "\"" + object + "\"\n";
  if (failed(writeFile(module, responseFile, response)))
    return failure();
  std::string message, argument = "@" + responseFile;
  // Symbols of the runtime stay undefined: the process that loads it has them.
  StringRef arguments[] = {*linker, "-shared", "--gc-sections", "-z",
                           "now",   "-o",      output,          argument};
  int status = llvm::sys::ExecuteAndWait(*linker, arguments, std::nullopt, {},
                                         0, 0, &message);
  llvm::sys::fs::remove(responseFile);
  if (status != 0)
    return module.emitError("linking '") << output << "' failed: " << message;
  return success();
}

LogicalResult emitObject(ModuleOp module, llvm::Module &llvmModule,
                         const KernelTarget &target, StagedFolder &folder,
                         StringRef name, std::vector<std::string> &objects) {
  SmallVector<char, 0> object;
  if (failed(compileToObject(llvmModule, target, object)))
    return module.emitError("cannot generate code for '") << name << "'";
  objects.push_back(folder.file((name + ".o").str()));
  return writeFile(module, objects.back(),
                   StringRef(object.data(), object.size()));
}

/// One object a kernel module.
LogicalResult emitKernels(ModuleOp module, const ProgramOptions &options,
                          const KernelTarget &target, StagedFolder &folder,
                          std::vector<std::string> &objects) {
  SmallVector<ModuleOp> kernels(module.getOps<ModuleOp>());
  for (auto [i, kernel] : llvm::enumerate(kernels)) {
    SmallVector<char, 0> object;
    objects.push_back(folder.file((*kernel.getSymName() + ".o").str()));
    if (failed(compileKernel(kernel, target, object)) ||
        failed(writeFile(module, objects.back(),
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
  std::string final = path.rtrim('/').str();
  if (llvm::sys::fs::exists(final) &&
      !llvm::sys::fs::exists(final + "/manifest.json"))
    return module.emitError("'")
           << final << "' exists and is not a program: choose another -o";
  StagedFolder folder(final);
  if (std::error_code error = folder.create())
    return module.emitError("cannot write '")
           << final << "': " << error.message();
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
  if (failed(link(module, objects, folder.file("program.so"))))
    return failure();
  for (const std::string &object : objects)
    llvm::sys::fs::remove(object);

  ProgramTarget described{target->triple, target->cpu, target->featureNames};
  FailureOr<llvm::json::Object> manifest = buildManifest(module, described);
  if (failed(manifest))
    return failure();
  std::string text =
      llvm::formatv("{0:2}\n", llvm::json::Value(std::move(*manifest)));
  if (failed(writeFile(module, folder.file("manifest.json"), text)))
    return failure();
  if (std::error_code error = folder.commit())
    return module.emitError("cannot write '")
           << final << "': " << error.message();
  return success();
}
