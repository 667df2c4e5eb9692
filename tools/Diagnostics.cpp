//===- Diagnostics.cpp - How the tools print errors -----------------------===//
#include "tools/Diagnostics.h"
#include "tools/Tool.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace fsdp;

static StringRef nameOf(DiagnosticSeverity severity) {
  switch (severity) {
  case DiagnosticSeverity::Note:
    return "note";
  case DiagnosticSeverity::Warning:
    return "warning";
  case DiagnosticSeverity::Error:
    return "error";
  case DiagnosticSeverity::Remark:
    return "remark";
  }
  return "";
}

static void printOne(const Diagnostic &diagnostic, llvm::raw_ostream &os) {
  LocationAttr loc = diagnostic.getLocation();
  if (auto file = loc.findInstanceOf<FileLineColLoc>()) {
    os << printable(file.getFilename());
    if (file.getLine())
      os << ":" << file.getLine() << ":" << file.getColumn();
    os << ": ";
  } else {
    os << getTool() << ": ";
  }
  std::string message = diagnostic.str();
  os << nameOf(diagnostic.getSeverity()) << ": " << printable(message);
  // Most messages name the node or parameter themselves.
  if (auto named = loc.findInstanceOf<NameLoc>())
    if (StringRef name = named.getName(); !StringRef(message).contains(name))
      os << " (at '" << name << "')";
  os << "\n";
}

void fsdp::printDiagnostic(const Diagnostic &diagnostic) {
  printOne(diagnostic, llvm::errs());
  for (const Diagnostic &note : diagnostic.getNotes())
    printOne(note, llvm::errs());
}

ModelDiagnostics::ModelDiagnostics(MLIRContext *context)
    : ScopedDiagnosticHandler(context) {
  setHandler([](Diagnostic &diagnostic) {
    printDiagnostic(diagnostic);
    return success();
  });
}
