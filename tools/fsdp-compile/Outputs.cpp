//===- Outputs.cpp - Files that are written -------------------------------===//
#include "Outputs.h"

#include "dialects/Onnx/Onnx.h"
#include "passes/Output/Paths.h"
#include "passes/Output/Replaceable.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

#include <cerrno>

using namespace fsdp;
namespace fs = llvm::sys::fs;

namespace {
struct NamedPath {
  llvm::StringRef option; ///< of an input: what it is
  llvm::StringRef path;
};
} // namespace

static bool isStandardOutput(llvm::StringRef name) { return name == "-"; }

/// One name for one file, whether it is there already or not.
static std::string canonical(llvm::StringRef name) {
  return isStandardOutput(name) ? name.str() : resolvedPath(name);
}

static bool isSame(llvm::StringRef a, llvm::StringRef b) {
  return canonical(a) == canonical(b) ||
         (fs::exists(a) && fs::exists(b) && fs::equivalent(a, b));
}

/// Whether something can be written beside `place`, where `output` lands.
static std::string checkFolder(NamedPath output, llvm::StringRef place) {
  std::string folder = folderOf(place);
  std::error_code error;
  fs::file_status status;
  if ((error = fs::status(folder, status)) ||
      (error = fs::access(folder, fs::AccessMode::Write)))
    return llvm::formatv("cannot write {0} '{1}': {2}", output.option,
                         output.path, error.message());
  if (!fs::is_directory(status))
    return llvm::formatv("cannot write {0} '{1}': {2}", output.option,
                         output.path, std::generic_category().message(ENOTDIR));
  return "";
}

/// A file is written beside its place and renamed: what is no file would be
/// replaced by one.
static std::string checkFile(NamedPath file) {
  if (isStandardOutput(file.path))
    return "";
  fs::file_status status;
  if (!fs::status(file.path, status) && !fs::is_regular_file(status))
    return llvm::formatv("cannot write {0} '{1}': {2}; give the name of a "
                         "file, or - for standard output",
                         file.option, file.path,
                         fs::is_directory(status) ? "Is a directory"
                                                  : "not a regular file");
  return checkFolder(file, file.path);
}

/// The outputs and the inputs are different files.
static std::string checkDistinct(llvm::ArrayRef<NamedPath> outputs,
                                 llvm::ArrayRef<NamedPath> inputs) {
  for (auto [i, output] : llvm::enumerate(outputs)) {
    for (const NamedPath &other : outputs.drop_front(i + 1))
      if (isSame(output.path, other.path))
        return llvm::formatv(
            "{0} and {1} both write '{2}'; give each a file of its own",
            output.option, other.option, other.path);
    for (const NamedPath &input : inputs)
      if (isSame(output.path, input.path))
        return llvm::formatv("{0} would replace '{1}', which is {2}; give "
                             "the name of another file",
                             output.option, output.path, input.option);
  }
  return "";
}

/// The folder of a program is replaced as a whole.
static std::string checkOutside(NamedPath file, llvm::StringRef program) {
  if (isStandardOutput(file.path) ||
      canonical(folderOf(file.path)) != canonical(program))
    return "";
  return llvm::formatv("{0} '{1}' is inside of the program's folder '{2}', "
                       "which is replaced; give a file elsewhere",
                       file.option, file.path, program);
}

static llvm::SmallVector<NamedPath> filesOf(const CompileOptions &options) {
  llvm::SmallVector<NamedPath> files;
  if (!options.emitIr.empty())
    files.push_back({"--emit-ir", options.emitIr});
  if (!options.report.path.empty())
    files.push_back({"--report", options.report.path});
  return files;
}

std::string fsdp::checkKeepsData(const CompileOptions &options,
                                 mlir::ModuleOp module) {
  llvm::SmallVector<NamedPath> inputs;
  llvm::StringSet<> seen;
  for (auto parameter : module.getOps<onnx::ParameterOp>())
    if (auto source = parameter.getSource())
      if (auto file = source->getAs<mlir::StringAttr>("file"))
        if (seen.insert(file.getValue()).second)
          inputs.push_back({"data of the model", file.getValue()});
  return checkDistinct(filesOf(options), inputs);
}

std::string fsdp::checkOutputs(const CompileOptions &options) {
  llvm::SmallVector<NamedPath> files = filesOf(options), outputs, inputs;
  outputs = files;
  if (!options.output.empty())
    outputs.insert(outputs.begin(), {"-o", options.output});
  inputs.push_back({"the model", options.input});
  if (!options.report.measured.empty())
    inputs.push_back({"the trace to lay over it", options.report.measured});
  if (std::string problem = checkDistinct(outputs, inputs); !problem.empty())
    return problem;
  for (const NamedPath &file : files) {
    std::string problem = checkFile(file);
    if (problem.empty() && !options.output.empty())
      problem = checkOutside(file, options.output);
    if (!problem.empty())
      return problem;
  }
  if (options.output.empty())
    return "";
  if (std::string problem = checkReplaceable(options.output); !problem.empty())
    return problem;
  std::string place = resolvedPath(options.output);
  return checkFolder({"-o", options.output}, place);
}
