//===- Run.cpp - The commands of fsdp-ckpt --------------------------------===//

#include "Run.h"

#include "abi/fsdprt.h"
#include "checkpoint/Describe.h"
#include "checkpoint/Difference.h"
#include "checkpoint/Export.h"
#include "checkpoint/Reshard.h"

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <unistd.h>

using namespace fsdprt;
using namespace fsdprt::ckpt;

std::optional<int64_t> ckpt::parseSize(const std::string &text) {
  double value = 0;
  const char *end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, value);
  static const std::map<std::string, double> units = {
      {"", 1},         {"B", 1},       {"KB", 1e3},   {"MB", 1e6},
      {"GB", 1e9},     {"TB", 1e12},   {"KiB", 1024}, {"MiB", 1048576},
      {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  auto unit = units.find(std::string(read.ptr, end));
  if (read.ec != std::errc() || unit == units.end())
    return std::nullopt;
  value *= unit->second;
  bool isSize = value >= 1 && value <= 0x1p60;
  return isSize ? std::optional<int64_t>(int64_t(value)) : std::nullopt;
}

std::string ckpt::oneLine(const std::string &text) {
  std::string line;
  for (char c : text)
    line += c == '\n'                                     ? std::string("\\n")
            : std::iscntrl(static_cast<unsigned char>(c)) ? std::string("?")
                                                          : std::string(1, c);
  return line;
}

static void print(const std::string &text) { std::fputs(text.c_str(), stdout); }

/// Sums first: what is exported must be what was saved.
static Status checkSums(const CheckpointReader &checkpoint) {
  for (const CheckpointFile &file : checkpoint.index().files)
    FSDPRT_RETURN_IF_ERROR(checkpoint.checkSum(file, nullptr));
  return Status();
}

Expected<int> ckpt::runList(const Command &command) {
  if (::access(command.checkpoint.c_str(), F_OK) != 0)
    return failure("cannot read folder '", command.checkpoint,
                   "': ", std::strerror(errno));
  auto text = describeFolder(command.checkpoint);
  if (!text.ok())
    return text.status();
  print(*text);
  return 0;
}

Expected<int> ckpt::runShow(const Command &command) {
  auto checkpoint = CheckpointReader::open(command.checkpoint);
  if (!checkpoint.ok())
    return checkpoint.status();
  print(describeCheckpoint(*checkpoint));
  return 0;
}

Expected<int> ckpt::runVerify(const Command &command) {
  auto checkpoint = CheckpointReader::open(command.checkpoint);
  Status status =
      checkpoint.ok() ? checkSums(*checkpoint) : checkpoint.status();
  if (!status.ok()) {
    std::fprintf(stderr, "fsdp-ckpt: error: %s\n",
                 oneLine(status.message()).c_str());
    return 1;
  }
  print(command.checkpoint + ": whole, all sums are right\n");
  return 0;
}

static Expected<std::vector<std::string>>
exportAs(const CheckpointReader &checkpoint, const Command &command) {
  if (!command.onnx.empty()) {
    auto program = loadManifest(command.program);
    if (!program.ok())
      return program.status();
    return exportOnnx(checkpoint, *program, command.onnx, command.output,
                      command.ema);
  }
  ExportOptions options;
  std::optional<int64_t> most = parseSize(command.maxShard);
  if (!most)
    return failure("--max-shard is '", command.maxShard,
                   "', expected a size: 5GB, 800MB or 2GiB");
  options.mostBytes = *most;
  if (!command.dtype.empty())
    options.dtype = command.dtype == "float32"   ? FSDPRT_F32
                    : command.dtype == "float16" ? FSDPRT_F16
                                                 : FSDPRT_BF16;
  options.stripPrefix = command.stripPrefix;
  options.averaged = command.ema;
  return exportSafetensors(checkpoint, command.output, options);
}

Expected<int> ckpt::runExport(const Command &command) {
  if (command.onnx.empty() != command.program.empty())
    return failure("--onnx and --program belong together: the program says "
                   "where in the model's files each parameter is");
  if (!command.onnx.empty() &&
      !(command.dtype.empty() && command.stripPrefix.empty()))
    return failure("--dtype and --strip-prefix are for safetensors: an ONNX "
                   "file keeps its types and names");
  auto checkpoint = CheckpointReader::open(command.checkpoint);
  if (!checkpoint.ok())
    return checkpoint.status();
  FSDPRT_RETURN_IF_ERROR(checkSums(*checkpoint));
  auto files = exportAs(*checkpoint, command);
  if (!files.ok())
    return files.status();
  for (const std::string &file : *files)
    print(file + "\n");
  return 0;
}

Expected<int> ckpt::runReshard(const Command &command) {
  if ((command.ranks > 0) != command.program.empty())
    return failure("give either --ranks N or --program MODEL.fsdp");
  auto checkpoint = CheckpointReader::open(command.checkpoint);
  if (!checkpoint.ok())
    return checkpoint.status();
  CheckpointIndex index;
  if (command.ranks > 0) {
    index = dividedEqually(checkpoint->index(), command.ranks);
  } else {
    auto program = loadManifest(command.program);
    if (!program.ok())
      return program.status();
    auto divided = dividedFor(*checkpoint, *program);
    if (!divided.ok())
      return divided.status();
    index = *divided;
  }
  auto made = reshard(*checkpoint, std::move(index), command.output);
  if (!made.ok())
    return made.status();
  print(*made + "\n");
  return 0;
}

Expected<int> ckpt::runDiff(const Command &command) {
  auto a = CheckpointReader::open(command.checkpoint);
  if (!a.ok())
    return a.status();
  auto b = CheckpointReader::open(command.other);
  if (!b.ok())
    return b.status();
  auto differences = compareCheckpoints(*a, *b);
  if (!differences.ok())
    return differences.status();
  int64_t different = 0;
  double largest = 0;
  for (const PlaneDifference &plane : *differences) {
    if (plane.different == 0)
      continue;
    ++different;
    largest = std::max(largest, plane.relative);
    std::printf("%-10.3g %s (%lld elements)\n", plane.relative,
                plane.name.c_str(), (long long)plane.different);
  }
  std::printf("%lld of %zu tensors differ", (long long)different,
              differences->size());
  if (different)
    std::printf(", by at most %.3g of their largest value", largest);
  std::printf("\n");
  return different ? 1 : 0;
}
