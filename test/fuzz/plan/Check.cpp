//===- Check.cpp - What must hold of every plan that is read --------------===//
#include "test/fuzz/plan/Check.h"
#include "passes/Lower/Kernels.h"
#include "passes/Lower/Manifest.h"
#include "passes/Lower/Phases.h"
#include "passes/Report/ReportData.h"
#include "test/fuzz/Counters.h"
#include "tools/Diagnostics.h"
#include "tools/Plan.h"
#include "tools/Tool.h"
#include "tools/fsdp-compile/Report.h"

#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

#include <cerrno>
#include <csignal>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace mlir;
using namespace fsdp;
using namespace fsdp::fuzz;

static DialectRegistry planDialects() {
  DialectRegistry registry;
  registerPlan(registry);
  return registry;
}

PlanChecker::PlanChecker()
    : context(planDialects(), MLIRContext::Threading::DISABLED),
      messages(memfd_create("messages", 0)) {
  setTool("fuzz-plan");
  context.printOpOnDiagnostic(false);
  context.loadAllAvailableDialects();
  if (messages < 0)
    fail("fuzz-plan", "cannot make a file in memory");
}

static LogicalResult compileKernels(ModuleOp module) {
  FailureOr<std::unique_ptr<Target>> target = getTarget(module);
  FailureOr<std::vector<ProgramKernel>> kernels = findKernels(module);
  if (failed(target) || failed(kernels))
    return failure();
  CodeOptions options;
  options.write = [](StringRef, StringRef) { return success(); };
  // GPUs' kernels need tools of their own behind this.
  if ((*target)->getKind() != "cpu")
    return success();
  return failed((*target)->compileKernels(*kernels, options))
             ? failure()
             : checkLaunches(module, *kernels);
}

static LogicalResult lower(ModuleOp module, bool kernelsToo) {
  llvm::LLVMContext llvmContext;
  FailureOr<std::unique_ptr<Target>> target = getTarget(module);
  if (failed(target) ||
      failed(buildReportData(module, **target, CostModel())) ||
      failed(translatePhases(module, llvmContext)) ||
      failed(buildManifest(module, ProgramTarget())) ||
      (kernelsToo && failed(compileKernels(module))))
    return failure();
  std::string text;
  llvm::raw_string_ostream os(text);
  reportPlan(module, os);
  return success();
}

/// What fsdp-compile does with the text, in this process; the exit status.
static int compile(MLIRContext &context, const std::string &text) {
  ModelDiagnostics diagnostics(&context);
  auto module =
      parsePlan(llvm::MemoryBuffer::getMemBuffer(text, "plan.mlir"), &context);
  if (!module || failed(verifyPlan(*module)))
    return 1;
  bool kernelsToo = llvm::xxh3_64bits(text) % 16 == 0;
  return failed(lower(*module, kernelsToo));
}

/// The child must not outlive the fuzzer, nor take the machine's memory, nor
/// write the fuzzer's own report of a crash.
static void becomeChild(int messages) {
  constexpr rlim_t kBytes = rlim_t(4) << 30;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  rlimit memory = {kBytes, kBytes};
  setrlimit(RLIMIT_AS, &memory);
  for (int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGALRM})
    std::signal(signal, SIG_DFL);
  dup2(messages, STDERR_FILENO);
}

/// What was written into `file`, which is emptied.
static std::string take(int file) {
  std::string text(lseek(file, 0, SEEK_CUR), '\0');
  if (pread(file, text.data(), text.size(), 0) != ssize_t(text.size()) ||
      ftruncate(file, 0) || lseek(file, 0, SEEK_SET))
    fail("fuzz-plan", "cannot read what a child wrote");
  return text;
}

/// The line that an error names, 0 if none.
static size_t lineOf(StringRef error) {
  size_t line = 0;
  error = error.split(':').second;
  error.consumeInteger(10, line);
  return line;
}

void PlanChecker::check(const std::string &text) {
  pid_t child = fork();
  if (child < 0)
    fail("fuzz-plan", "cannot fork");
  if (child == 0) {
    becomeChild(messages);
    _exit(compile(context, text));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) // the fuzzer's clock interrupts
      fail("fuzz-plan", "cannot wait for a child");
  std::string written = take(messages);
  llvm::SmallVector<StringRef> lines;
  StringRef(written).split(lines, '\n', -1, /*KeepEmpty=*/false);
  int errors = llvm::count_if(
      lines, [](StringRef line) { return line.contains(": error: "); });
  if (WIFSIGNALED(status))
    fail("fuzz-plan", "signal " + llvm::Twine(WTERMSIG(status)), {written});
  int code = WEXITSTATUS(status);
  if (code > 1 || code != errors)
    fail("fuzz-plan",
         "status " + llvm::Twine(code) + " with " + llvm::Twine(errors) +
             " errors, expected 0 without or 1 with one",
         {written});
  // The same error further down is news: else what is kept gets ever shorter.
  size_t place = code ? llvm::Log2_64_Ceil(lineOf(lines.front()) + 1) : 0;
  mark(code ? kindOf(lines.front()) : "a plan", std::to_string(place));
}
