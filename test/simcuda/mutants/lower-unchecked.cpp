//===- lower-unchecked.cpp - Programs of plans that may be wrong ----------===//
//
//   lower-unchecked PLAN.mlir BASE.fsdp OUT.fsdp
//
// Writes the program of PLAN for the simulated GPU, whatever the verifiers say
// of it, which is printed: "accepted", or the first error. The kernels' code is
// that of BASE: PLAN is BASE's with other dispatches and buffers.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/Compile.h"
#include "passes/Lower/Manifest.h"
#include "passes/Lower/Phases.h"
#include "passes/Output/Link.h"
#include "tools/Plan.h"
#include "tools/Tool.h"

#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace fsdp;

static constexpr llvm::StringLiteral kKernels = "kernels.so";

static LogicalResult fail(const llvm::Twine &message) {
  printError(message);
  return failure();
}

static LogicalResult write(const llvm::Twine &path, StringRef content) {
  std::error_code error;
  llvm::raw_fd_ostream stream(path.str(), error);
  if (error)
    return fail("cannot write '" + path + "': " + error.message());
  stream << content;
  return success();
}

/// The first error, "accepted" if there is none.
static std::string verdictOf(ModuleOp module) {
  std::string verdict;
  ScopedDiagnosticHandler handler(
      module.getContext(), [&](Diagnostic &diagnostic) {
        if (verdict.empty() &&
            diagnostic.getSeverity() == DiagnosticSeverity::Error)
          verdict = diagnostic.str();
        return success();
      });
  return succeeded(verifyPlan(module)) ? "accepted" : verdict;
}

static LogicalResult lower(ModuleOp module, const std::string &base,
                           const std::string &out) {
  FailureOr<std::unique_ptr<Target>> target = getTarget(module);
  if (failed(target))
    return failure();
  FailureOr<KernelTarget> host =
      getKernelTarget((*target)->getHostCpu("native"));
  llvm::LLVMContext context;
  auto phases = translatePhases(module, context);
  SmallVector<char, 0> object;
  if (failed(host) || failed(phases) ||
      failed(compileToObject(**phases, *host, object)))
    return failure();
  std::error_code error = llvm::sys::fs::create_directories(out);
  if (!error)
    error = llvm::sys::fs::copy_file(base + "/" + kKernels.str(),
                                     out + "/" + kKernels.str());
  if (error)
    return fail("cannot make '" + out + "': " + error.message());
  if (failed(write(out + "/phases.o", StringRef(object.data(), object.size()))))
    return failure();
  std::string problem =
      linkShared(out, {"phases.o"}, "program.so", /*isWhole=*/false);
  if (!problem.empty())
    return fail(problem);
  auto manifest = buildManifest(module, {(*target)->getKind().str(),
                                         host->triple,
                                         host->cpu,
                                         host->featureNames,
                                         (*target)->getArch().str(),
                                         {{kKernels.str(), "simulated"}}});
  if (failed(manifest))
    return failure();
  return write(
      out + "/manifest.json",
      llvm::formatv("{0:2}\n", llvm::json::Value(std::move(*manifest))).str());
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  setTool("lower-unchecked");
  if (argc != 4)
    return printError("expected PLAN.mlir BASE.fsdp OUT.fsdp"), 2;
  DialectRegistry registry;
  registerPlan(registry);
  MLIRContext context(registry);
  context.printOpOnDiagnostic(false);
  std::string problem;
  auto text = openInputFile(argv[1], &problem);
  if (!text)
    return printError(problem), 1;
  auto module = parsePlan(std::move(text), &context);
  llvm::outs() << verdictOf(*module) << "\n";
  return failed(lower(*module, argv[2], argv[3]));
}
