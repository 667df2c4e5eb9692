//===- Program.cpp - A compiled program, loaded ---------------------------===//

#include "trainer/Program.h"

#include "abi/Context.h"
#include "device/GemmCheck.h"

#include <dlfcn.h>
#include <elf.h>
#include <fstream>
#include <set>
#include <unistd.h>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// Target
//===----------------------------------------------------------------------===//

/// Flags of the host as Linux names them.
static std::set<std::string> hostFlags() {
  std::set<std::string> flags;
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.compare(0, 5, "flags") != 0)
      continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::string word; words >> word;)
      flags.insert(word);
    break;
  }
  return flags;
}

/// LLVM and Linux disagree on names: "sse4.1" and "sse4_1", "avx512vbmi2" and
/// "avx512_vbmi2". Compared without punctuation.
static std::string plainName(const std::string &feature) {
  static const std::map<std::string, std::string> aliases = {
      {"sse3", "pni"},  {"lzcnt", "abm"}, {"pclmul", "pclmulqdq"},
      {"sha", "shani"}, {"64bit", "lm"},  {"bmi", "bmi1"}};
  std::string plain;
  for (char c : feature)
    if (c != '_' && c != '.' && c != '-')
      plain += c;
  auto alias = aliases.find(plain);
  return alias == aliases.end() ? plain : alias->second;
}

/// False for tuning flags, and for instructions that arithmetic never needs:
/// Linux does not list all of these even where they exist.
static bool matters(const std::string &feature) {
  static const std::set<std::string> systemOnly = {
      "cldemote", "clflushopt", "clwb",      "clzero",  "crc32",     "cx8",
      "enqcmd",   "evex512",    "fsgsbase",  "fxsr",    "hreset",    "invlpgb",
      "invpcid",  "kl",         "movdir64b", "movdiri", "mwaitx",    "pconfig",
      "pku",      "prefetchi",  "prfchw",    "ptwrite", "rdpid",     "rdpru",
      "rdrnd",    "rdseed",     "rtm",       "sahf",    "serialize", "sgx",
      "shstk",    "tsxldtrk",   "uintr",     "usermsr", "waitpkg",   "wbnoinvd",
      "widekl",   "x87",        "xsave",     "xsavec",  "xsaveopt",  "xsaves"};
  if (systemOnly.count(feature) || feature.compare(0, 6, "avx10.") == 0)
    return false; // AVX10 comes with its AVX-512 features, which are listed
  return feature.find('-') == std::string::npos ||
         feature.compare(0, 4, "amx-") == 0;
}

Status fsdprt::checkTarget(const Manifest &manifest) {
#if defined(__x86_64__)
  bool sameArchitecture = manifest.triple.compare(0, 6, "x86_64") == 0;
#else
  bool sameArchitecture = manifest.triple.compare(0, 7, "aarch64") == 0;
#endif
  if (!manifest.triple.empty() && !sameArchitecture)
    return failure("the program was compiled for ", manifest.triple,
                   ", which is not this machine; compile it again here");
  std::set<std::string> host;
  for (const std::string &flag : hostFlags())
    host.insert(plainName(flag));
  std::string missing;
  for (const std::string &listed : manifest.features) {
    if (listed.empty() || listed[0] == '-') // "-x": compiled without it
      continue;
    std::string feature = listed[0] == '+' ? listed.substr(1) : listed;
    if (matters(feature) && !host.count(plainName(feature)))
      missing += (missing.empty() ? "" : ", ") + feature;
  }
  if (!missing.empty())
    return failure("the program was compiled for ",
                   manifest.cpu.empty() ? "another CPU" : manifest.cpu,
                   ", this host lacks ", missing,
                   "; compile it again here or with --target-cpu");
  return Status();
}

//===----------------------------------------------------------------------===//
// Imports
//===----------------------------------------------------------------------===//

/// What generated code may call apart from the ABI: LLVM makes calls to the
/// first group by itself; the mathematical functions have no side effects.
static bool isAllowedImport(const std::string &name) {
  static const std::set<std::string> allowed = {"memcpy",
                                                "memmove",
                                                "memset",
                                                "memcmp",
                                                "bcmp",
                                                "__stack_chk_fail",
                                                "__cxa_finalize",
                                                "__gmon_start__",
                                                "_ITM_deregisterTMCloneTable",
                                                "_ITM_registerTMCloneTable",
                                                "__extendhfsf2",
                                                "__truncsfhf2",
                                                "__powisf2",
                                                "__powidf2",
                                                "__truncsfbf2",
                                                "__truncdfbf2",
                                                "__truncdfhf2"};
  static const std::set<std::string> math = {
      "exp",   "exp2",      "expm1", "log",       "log2",   "log10", "log1p",
      "pow",   "sqrt",      "cbrt",  "sin",       "cos",    "tan",   "asin",
      "acos",  "atan",      "atan2", "sinh",      "cosh",   "tanh",  "asinh",
      "acosh", "atanh",     "erf",   "erfc",      "floor",  "ceil",  "trunc",
      "round", "roundeven", "rint",  "nearbyint", "fabs",   "fmod",  "fmin",
      "fmax",  "fma",       "ldexp", "copysign",  "sincos", "powi"};
#define FSDPRT_FUNCTION(NAME, DESC, SUMMARY)                                   \
  if (name == #NAME)                                                           \
    return true;
#include "abi/functions.def"
#define FSDPRT_KERNEL_FUNCTION(NAME, SUMMARY)                                  \
  if (name == #NAME)                                                           \
    return true;
#include "abi/kernel_functions.def"
  if (allowed.count(name) || math.count(name))
    return true;
  return !name.empty() && name.back() == 'f' &&
         math.count(name.substr(0, name.size() - 1));
}

Status fsdprt::checkImports(const std::string &path) {
  std::ifstream stream(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(stream)),
                    std::istreambuf_iterator<char>());
  auto broken = [&] {
    return failure("'", path,
                   "' is not a shared object, or is truncated; "
                   "compile the program again");
  };
  auto at = [&](uint64_t offset, uint64_t length) -> const char * {
    return offset <= bytes.size() && length <= bytes.size() - offset
               ? bytes.data() + offset
               : nullptr;
  };
  auto *header =
      reinterpret_cast<const Elf64_Ehdr *>(at(0, sizeof(Elf64_Ehdr)));
  if (!header || bytes.compare(0, SELFMAG, ELFMAG) != 0 ||
      header->e_type != ET_DYN)
    return broken();
  auto *sections = reinterpret_cast<const Elf64_Shdr *>(
      at(header->e_shoff, uint64_t(header->e_shnum) * sizeof(Elf64_Shdr)));
  if (!sections)
    return broken();
  for (int i = 0; i < header->e_shnum; ++i) {
    const Elf64_Shdr &section = sections[i];
    if (section.sh_type != SHT_DYNSYM || section.sh_link >= header->e_shnum)
      continue;
    const Elf64_Shdr &names = sections[section.sh_link];
    auto *symbols = reinterpret_cast<const Elf64_Sym *>(
        at(section.sh_offset, section.sh_size));
    const char *text = at(names.sh_offset, names.sh_size);
    if (!symbols || !text || names.sh_size == 0 || text[names.sh_size - 1] != 0)
      return broken();
    for (size_t s = 1; s < section.sh_size / sizeof(Elf64_Sym); ++s) {
      if (symbols[s].st_shndx != SHN_UNDEF)
        continue;
      if (symbols[s].st_name >= names.sh_size)
        return broken();
      if (!isAllowedImport(text + symbols[s].st_name))
        return failure("'", path, "' imports '", text + symbols[s].st_name,
                       "', which a program may not call: memory and effects "
                       "outside of the plan");
    }
  }
  return Status();
}

//===----------------------------------------------------------------------===//
// Loading and running
//===----------------------------------------------------------------------===//

Expected<std::unique_ptr<Program>> Program::load(const Manifest &manifest) {
  std::string path = manifest.folder + "/program.so";
  if (::access(path.c_str(), R_OK) != 0)
    return failure("cannot read '", path, "'; compile the program again");
  FSDPRT_RETURN_IF_ERROR(checkImports(path));
  std::unique_ptr<Program> program(new Program());
  // A name without a slash would be searched for in library folders.
  std::string name = path[0] == '/' ? path : "./" + path;
  program->handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!program->handle)
    return failure("cannot load '", path, "': ", ::dlerror());
  auto *abi = static_cast<const int32_t *>(
      ::dlsym(program->handle, "fsdp_program_abi"));
  if (!abi)
    return failure("'", path,
                   "' is not a compiled program (it lacks "
                   "fsdp_program_abi)");
  if (*abi != FSDPRT_ABI_VERSION)
    return failure("'", path, "' was compiled for ABI ", *abi,
                   ", this runtime has ABI ", FSDPRT_ABI_VERSION,
                   "; compile it again");
  program->gemms = static_cast<const fsdprt_gemm_table *>(
      ::dlsym(program->handle, "fsdp_program_gemms"));
  if (!program->gemms)
    return failure("'", path, "' lacks fsdp_program_gemms; compile it again");
  for (const PhaseSpec &phase : manifest.phases) {
    void *symbol = ::dlsym(program->handle, phase.symbol.c_str());
    if (!symbol)
      return failure("'", path, "' lacks phase '", phase.name, "' (symbol '",
                     phase.symbol, "')");
    program->phases[phase.name] = reinterpret_cast<Phase>(symbol);
  }
  return program;
}

Program::~Program() {
  if (handle)
    ::dlclose(handle);
}

static std::string describeProduct(const fsdprt_gemm_desc &desc) {
  std::ostringstream text;
  text << "product '" << desc.op.name << "'";
  if (desc.op.unit[0])
    text << " of unit '" << desc.op.unit << "'";
  if (desc.op.scope[0])
    text << " in '" << desc.op.scope << "'";
  text << " (" << shapeOfProduct(desc) << ")";
  return text.str();
}

Status Program::prepare(fsdprt_context &context) const {
  for (const fsdprt_gemm_table *gemm = gemms; *gemm; ++gemm) {
    markProgress(context.slot);
    if (Status status = context.device->prepare(**gemm); !status.ok())
      return failure(describeProduct(**gemm), ": ", status.message());
  }
  return Status();
}

Status Program::run(fsdprt_context &context, const PhaseSpec &phase,
                    int64_t step) const {
  FSDPRT_RETURN_IF_ERROR(context.beginPhase(phase.name, step));
  fsdprt_status status = phases.at(phase.name)(&context);
  if (status != 0)
    return context.error.ok()
               ? failure("phase '", phase.name, "' failed with status ", status)
               : context.error;
  // A program that forgot to join must not leave work behind.
  FSDPRT_RETURN_IF_ERROR(context.device->drain());
  context.endPhase();
  return Status();
}
