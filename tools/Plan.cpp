//===- Plan.cpp - Planned programs as text --------------------------------===//
#include "tools/Plan.h"

#include "dialects/Fsdp/Fsdp.h"
#include "dialects/FsdpRt/FsdpRt.h"
#include "dialects/Train/Train.h"
#include "passes/Verify/Passes.h"
#include "tools/Diagnostics.h"
#include "tools/Tool.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/SourceMgr.h"

#include <cstdlib>

using namespace mlir;
using namespace fsdp;

void fsdp::registerPlan(DialectRegistry &registry) {
  registry.insert<func::FuncDialect, onnx::OnnxDialect, train::TrainDialect,
                  sharding::FsdpDialect, rt::FsdpRtDialect>();
}

/// After an error MLIR's parser frees operations that others, of an outer
/// region, still use (seen in MLIR 19): it does not get so far.
[[noreturn]] static void end() { std::_Exit(1); }

/// What no plan is, "" if it may be one: bytecode, and brackets so deep that a
/// parser that calls itself runs out of stack.
static std::string checkText(StringRef text) {
  constexpr int kDeepest = 256;
  if (text.starts_with("ML\xefR"))
    return "is MLIR bytecode, expected text as --emit-ir writes it";
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quoted && c == '\\')
      ++i;
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && StringRef("([{<").contains(c) && ++depth > kDeepest)
      return "has more than " + std::to_string(kDeepest) +
             " brackets in each other, which no plan has";
    else if (!quoted && StringRef(")]}>").contains(c))
      depth = std::max(0, depth - 1);
  }
  return "";
}

OwningOpRef<ModuleOp> fsdp::parsePlan(std::unique_ptr<llvm::MemoryBuffer> text,
                                      MLIRContext *context) {
  std::string problem = checkText(text->getBuffer());
  if (!problem.empty()) {
    printError("'" + text->getBufferIdentifier() + "' " + problem);
    end();
  }
  ScopedDiagnosticHandler handler(context, [](Diagnostic &diagnostic) {
    printDiagnostic(diagnostic);
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      end();
  });
  llvm::SourceMgr source;
  source.AddNewSourceBuffer(std::move(text), llvm::SMLoc());
  return parseSourceFile<ModuleOp>(source, context);
}

LogicalResult fsdp::verifyPlan(ModuleOp module) {
  PassManager manager(module.getContext());
  manager.addPass(createFsdpRtVerify());
  manager.addPass(createProgramVerify());
  return manager.run(module);
}
