//===- IndexReader.cpp - From a checkpoint's index ------------------------===//

#include "checkpoint/IndexText.h"
#include "checkpoint/Sum.h"
#include "core/DType.h"
#include "core/ManifestFields.h"
#include "io/Safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <sys/stat.h>

using namespace fsdprt;
using namespace fsdprt::fields;

static const std::string top = "the index";

static std::vector<CheckpointState> parseStates(const Json &json,
                                                const std::string &where) {
  std::vector<CheckpointState> states;
  std::set<std::string> names;
  for (const Json &state : member(json, "states", where)) {
    CheckpointState parsed{get<std::string>(state, "name", where),
                           getDType(state, where)};
    if (state.contains("elements"))
      parsed.elements = getSize(state, "elements", where);
    require(names.insert(parsed.name).second,
            where + ": state '" + parsed.name + "' is there twice");
    states.push_back(std::move(parsed));
  }
  return states;
}

/// The parts are all of the parameter, and none of them twice.
static void checkParts(const CheckpointParameter &parameter,
                       const std::string &where) {
  auto parts = parameter.parts;
  std::sort(parts.begin(), parts.end());
  int64_t end = 0, elements = parameter.numElements();
  for (auto [begin, next] : parts) {
    if (begin == next)
      continue;
    require(begin == end && next > begin && next <= elements,
            where + ": parts are not its " + std::to_string(elements) +
                " elements, each once");
    end = next;
  }
  require(end == elements, where + ": parts end at element " +
                               std::to_string(end) + " of " +
                               std::to_string(elements));
}

static CheckpointParameter parseParameter(const Json &json, size_t numRanks) {
  CheckpointParameter parsed;
  parsed.names = get<std::vector<std::string>>(json, "names", "parameters");
  require(!parsed.names.empty(), "a parameter has no name");
  const std::string where = "parameter '" + parsed.names[0] + "'";
  parsed.isBuffer = get<std::string>(json, "kind", where) == "buffer";
  parsed.isCompiled = get<bool>(json, "compiled", where);
  parsed.trainable = get<bool>(json, "trainable", where);
  parsed.dtype = getDType(json, where);
  parsed.shape = getShape(json, where);
  parsed.states = parseStates(json, where);
  const Json &parts = member(json, "parts", where);
  require(parts.is_array() && parts.size() == numRanks,
          where + ": parts are not those of " + std::to_string(numRanks) +
              " ranks");
  for (const Json &part : parts) {
    auto ends = integersIn(part);
    require(ends && ends->size() == 2, where + ": a part is no [begin, end)");
    parsed.parts.emplace_back((*ends)[0], (*ends)[1]);
  }
  checkParts(parsed, where);
  return parsed;
}

static void parseRun(CheckpointIndex &index, const Json &json) {
  index.run = get<std::string>(json, "run", top);
  require(!index.run.empty(), "'run' is empty");
  index.firstRow = getSize(json, "first_row", top);
  index.counters = {getSize(json, "step", top), getSize(json, "rows", top),
                    getSize(json, "epoch", top)};
  const Json &seed = member(json, "seed", top);
  require(seed.is_number_unsigned(), "'seed' is no whole number");
  index.seed = seed.get<uint64_t>();
  const Json &schedule = member(json, "schedule", top);
  index.schedule = {get<std::string>(schedule, "name", "schedule"),
                    get<double>(schedule, "lr", "schedule"),
                    get<double>(schedule, "min_lr", "schedule"),
                    getSize(schedule, "warmup", "schedule"),
                    getSize(schedule, "steps", "schedule")};
  const Json &data = member(json, "data", top);
  index.data = {get<std::vector<std::string>>(data, "files", "data"),
                getSize(data, "tokens", "data"),
                getSize(data, "seq", "data"),
                get<bool>(data, "shuffle", "data"),
                get<std::string>(data, "weights", "data"),
                get<std::string>(data, "sum", "data")};
}

static void parseFiles(CheckpointIndex &index, const Json &json) {
  for (const Json &file : member(json, "files", top)) {
    CheckpointFile parsed{get<std::string>(file, "name", "files"),
                          getSize(file, "bytes", "files"),
                          get<std::string>(file, "sum", "files")};
    require(parsed.name == rankFileName(int(index.files.size())),
            "file " + std::to_string(index.files.size()) + " is '" +
                parsed.name + "', expected '" +
                rankFileName(int(index.files.size())) + "'");
    index.files.push_back(std::move(parsed));
  }
}

static void checkHead(const Json &json) {
  require(getOr<std::string>(json, "format", "", top) == kCheckpointFormat,
          "it is not the index of a checkpoint ('format' is not '" +
              std::string(kCheckpointFormat) + "')");
  int64_t version = get<int64_t>(json, "version", top);
  require(version == kCheckpointVersion,
          "its format has version " + std::to_string(version) +
              ", this program reads version " +
              std::to_string(kCheckpointVersion) +
              (version > kCheckpointVersion ? "; use a newer one" : ""));
}

static CheckpointIndex parse(const Json &json) {
  checkHead(json);
  CheckpointIndex index;
  parseRun(index, json);
  index.model = get<std::string>(json, "model", top);
  index.vocabSize = getSize(json, "vocab_size", top);
  index.optimizer = get<std::string>(json, "optimizer", top);
  int64_t world = 1;
  for (const Json &axis : member(json, "mesh", top)) {
    MeshAxis parsed{get<std::string>(axis, "axis", "mesh"),
                    getSize(axis, "size", "mesh")};
    require(parsed.size >= 1 && parsed.size <= 65536 / world,
            "mesh axis '" + parsed.axis + "' has an invalid size");
    world *= parsed.size;
    index.mesh.push_back(std::move(parsed));
  }
  index.placement = get<std::string>(json, "placement", top);
  parseFiles(index, json);
  require(int64_t(index.files.size()) == world,
          "it lists " + std::to_string(index.files.size()) +
              " files of a mesh of " + std::to_string(world) + " ranks");
  std::set<std::string> names;
  for (const Json &parameter : member(json, "parameters", top)) {
    index.parameters.push_back(parseParameter(parameter, index.files.size()));
    for (const std::string &name : index.parameters.back().names)
      require(names.insert(name).second,
              "parameter '" + name + "' is there twice");
  }
  return index;
}

/// The text itself is looked at first: a flipped bit may leave it readable. A
/// foreign or newer one need not have a sum.
static bool hasItsSum(const std::string &text) {
  std::string begin = kIndexBegin;
  size_t sumEnd = begin.size() + kIndexDigits;
  if (text.size() < sumEnd || text.compare(0, begin.size(), begin) != 0)
    return false;
  RunningSum sum;
  sum.add(text.data() + sumEnd, text.size() - sumEnd);
  return text.compare(begin.size(), kIndexDigits, sumText(sum.value())) == 0;
}

Expected<CheckpointIndex> fsdprt::parseIndex(const std::string &text,
                                             const std::string &where) {
  try {
    Json json = Json::parse(text);
    if (!hasItsSum(text)) {
      checkHead(json);
      return failure("'", where,
                     "' is damaged: its sum is not the one that it says");
    }
    return parse(json);
  } catch (const Malformed &malformed) {
    return failure("'", where, "': ", malformed.message);
  } catch (const Json::parse_error &error) {
    return failure("'", where, "' is damaged: it is not valid JSON (at byte ",
                   error.byte, ")");
  } catch (const Json::exception &error) {
    return failure("'", where, "' is malformed: ", error.what());
  }
}

Expected<CheckpointIndex> fsdprt::loadIndex(const std::string &folder) {
  std::string path = folder + "/" + kIndexName;
  struct stat info;
  if (::stat(folder.c_str(), &info) != 0)
    return failure("cannot open checkpoint '", folder,
                   "': ", std::strerror(errno));
  if (!S_ISDIR(info.st_mode) || ::stat(path.c_str(), &info) != 0)
    return failure("'", folder, "' is no checkpoint (no ", kIndexName,
                   " in it)");
  Expected<std::shared_ptr<InputFile>> file = InputFile::open(path);
  if (!file.ok())
    return file.status();
  std::string text(size_t((*file)->size()), 0);
  FSDPRT_RETURN_IF_ERROR((*file)->read(text.data(), 0, int64_t(text.size())));
  return parseIndex(text, path);
}
