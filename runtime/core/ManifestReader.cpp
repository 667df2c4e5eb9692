//===- ManifestReader.cpp - From manifest.json to a Manifest --------------===//

#include "core/DType.h"
#include "core/ManifestUnits.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <sys/stat.h>

using namespace fsdprt;
using namespace fsdprt::fields;

namespace {

void requireProgramFile(const std::string &file, const std::string &where) {
  require(!file.empty() && file[0] != '.' &&
              file.find('/') == std::string::npos,
          where + ": '" + file + "' is not a file of the program");
}

void parseTarget(Manifest &manifest, const Json &target) {
  manifest.target = get<std::string>(target, "kind", "target");
  require(manifest.target == "cpu" || manifest.target == "cuda",
          "the program is for target '" + manifest.target +
              "', expected cpu or cuda");
  manifest.triple = getOr<std::string>(target, "triple", "", "target");
  manifest.cpu = getOr<std::string>(target, "cpu", "", "target");
  manifest.features =
      getOr<std::vector<std::string>>(target, "features", {}, "target");
  if (manifest.target != "cuda")
    return;
  manifest.arch = get<std::string>(target, "arch", "target");
  for (const Json &kernels : member(target, "kernels", "target")) {
    KernelFile spec{get<std::string>(kernels, "file", "kernels"),
                    get<std::string>(kernels, "form", "kernels")};
    requireProgramFile(spec.file, "kernels");
    require(spec.form == "cubin" || spec.form == "ptx" ||
                spec.form == "simulated",
            "kernels: '" + spec.file + "' has the unknown form '" + spec.form +
                "'");
    manifest.kernels.push_back(spec);
  }
  if (!target.contains("reference"))
    return;
  manifest.reference = get<std::string>(target, "reference", "target");
  requireProgramFile(manifest.reference, "reference");
}

void parseCommunicators(Manifest &manifest, const Json &json) {
  std::set<std::string> names;
  for (const Json &entry : member(json, "communicators", "the manifest")) {
    CommunicatorSpec spec;
    spec.name = get<std::string>(entry, "name", "communicators");
    const std::string where = "communicator '" + spec.name + "'";
    spec.axes = get<std::vector<std::string>>(entry, "axes", where);
    spec.stream = get<int32_t>(entry, "stream", where);
    require(names.insert(spec.name).second, where + " is there twice");
    require(spec.stream >= 0 && spec.stream < FSDPRT_NUM_STREAMS,
            where + " is on stream " + std::to_string(spec.stream) +
                ", which does not exist");
    require(!spec.axes.empty(), where + " goes over no axis");
    std::set<std::string> seen;
    for (const std::string &axis : spec.axes) {
      bool isKnown = std::any_of(
          manifest.mesh.begin(), manifest.mesh.end(),
          [&](const MeshAxis &known) { return known.axis == axis; });
      require(isKnown && seen.insert(axis).second,
              where + " goes over axis '" + axis +
                  "', expected axes of the mesh, each once");
    }
    for (const MeshAxis &axis : manifest.mesh) // as all who exchange here are
      require(axis.size == 1 || seen.count(axis.axis),
              where + " leaves out axis '" + axis.axis +
                  "', expected a communicator of all ranks");
    manifest.communicators.push_back(std::move(spec));
  }
}

void parseHead(Manifest &manifest, const Json &json) {
  const std::string where = "the manifest";
  require(getOr<std::string>(json, "format", "", where) == "fsdp-opt program",
          "it is not the manifest of a program ('format' is not 'fsdp-opt "
          "program')");
  int64_t abi = get<int64_t>(json, "abi", where);
  require(abi == FSDPRT_ABI_VERSION,
          "the program was compiled for ABI " + std::to_string(abi) +
              ", this runtime has ABI " + std::to_string(FSDPRT_ABI_VERSION) +
              "; compile it again");
  manifest.model = getOr<std::string>(json, "model", "", where);
  parseTarget(manifest, member(json, "target", where));
  int64_t world = 1;
  for (const Json &axis : member(json, "mesh", where)) {
    MeshAxis parsed{get<std::string>(axis, "axis", "mesh"),
                    get<int64_t>(axis, "size", "mesh")};
    require(parsed.size >= 1 && parsed.size <= 65536 / world,
            "mesh axis '" + parsed.axis + "' has an invalid size");
    world *= parsed.size;
    manifest.mesh.push_back(parsed);
  }
}

Runs parseRuns(const std::string &word, const std::string &where) {
  std::string known;
  for (Runs runs : {
#define FSDPRT_RUNS(number, Name, word) Runs::Name,
#include "abi/runs.def"
       }) {
    if (word == wordOf(runs))
      return runs;
    known += (known.empty() ? "" : ", ") + std::string(wordOf(runs));
  }
  require(false, where + " runs '" + word + "', expected one of " + known);
  return Runs::Once;
}

void parseArenas(Manifest &manifest, const Json &json) {
  int64_t sum = 0;
  for (const Json &arena : member(json, "arenas", "the manifest")) {
    ArenaSpec spec{get<std::string>(arena, "name", "arenas"),
                   get<int64_t>(arena, "bytes", "arenas"),
                   {}};
    require(spec.bytes >= 0 && spec.bytes < (int64_t(1) << 46),
            "arena '" + spec.name + "' has an invalid size");
    if (arena.contains("runs"))
      spec.runs = parseRuns(get<std::string>(arena, "runs", "arenas"),
                            "arena '" + spec.name + "'");
    else
      sum += spec.bytes;
    manifest.arenas.push_back(spec);
  }
  manifest.plannedPeakBytes =
      get<int64_t>(json, "planned_peak_bytes", "the manifest");
  require(manifest.plannedPeakBytes == sum,
          "planned_peak_bytes is " + std::to_string(manifest.plannedPeakBytes) +
              " but the arenas have " + std::to_string(sum) + " bytes");
}

void parsePhases(Manifest &manifest, const Json &json) {
  for (const Json &phase : member(json, "phases", "the manifest")) {
    std::string name = get<std::string>(phase, "name", "phases");
    require(manifest.phaseNumber(name) < 0,
            "two phases are called '" + name + "'");
    manifest.phases.push_back(
        {name, get<std::string>(phase, "symbol", "phases"),
         parseRuns(get<std::string>(phase, "runs", "phases"),
                   "phase '" + name + "'")});
  }
}

void parseInterface(Manifest &manifest, const Json &json) {
  const std::string where = "the manifest";
  manifest.batch = get<int64_t>(json, "batch", where);
  manifest.seq = get<int64_t>(json, "seq", where);
  require(manifest.batch > 0 && manifest.seq > 0 &&
              boundedProduct({manifest.batch, manifest.seq}),
          "batch and seq must be positive, and fit into memory");
  for (const Json &input : member(json, "inputs", where)) {
    InputSpec spec;
    spec.name = get<std::string>(input, "name", "inputs");
    spec.role = get<std::string>(input, "role", "inputs");
    spec.place = parsePlace(manifest, member(input, "place", "inputs"),
                            "input '" + spec.name + "'");
    require(spec.role == "tokens" || spec.role == "labels",
            "input '" + spec.name + "' has the unknown role '" + spec.role +
                "'");
    require(spec.place.dtype == FSDPRT_I64 || spec.place.dtype == FSDPRT_I32,
            "input '" + spec.name + "' must be i64 or i32");
    require(productOf(spec.place.shape) == manifest.batch * manifest.seq,
            "input '" + spec.name + "' has shape " +
                shapeString(spec.place.shape) + ", expected [batch, seq] = " +
                shapeString({manifest.batch, manifest.seq}));
    manifest.inputs.push_back(spec);
  }
  for (auto [key, map] : {std::make_pair("scalars", &manifest.scalars),
                          std::make_pair("results", &manifest.results)})
    for (const auto &[name, place] : member(json, key, where).items()) {
      Place parsed =
          parsePlace(manifest, place, "scalar '" + std::string(name) + "'");
      require(productOf(parsed.shape) == 1,
              "scalar '" + std::string(name) + "' has more than one element");
      map->emplace(name, parsed);
    }
  manifest.vocabSize = getSize(json, "vocab_size", where);
  manifest.tokenRows = json.contains("token_rows")
                           ? getSize(json, "token_rows", where)
                           : manifest.vocabSize;
  require(manifest.tokenRows > 0, "token_rows must be positive");
  manifest.dropped =
      getOr<std::vector<std::string>>(json, "dropped", {}, where);
  manifest.ignoreIndex = getOr<int64_t>(json, "ignore_index", -100, where);
  std::string shift = get<std::string>(json, "labels_shift", where);
  require(shift == "data" || shift == "model",
          "labels_shift is '" + shift + "', expected data or model");
  manifest.labelsAreNextTokens = shift == "data";
}

void parseOptimizer(Manifest &manifest, const Json &json) {
  if (!json.contains("optimizer"))
    return;
  const std::string where = "optimizer";
  const Json &optimizer = json["optimizer"];
  manifest.optimizer = get<std::string>(optimizer, "rule", where);
  manifest.averageDecay = getOr<double>(optimizer, "ema", 0, where);
  using Numbers = std::map<std::string, double>;
  for (Numbers &numbers :
       getOr<std::vector<Numbers>>(optimizer, "groups", {}, where))
    manifest.groups.push_back({std::move(numbers)});
}

void parseBuffers(Manifest &manifest, const Json &json) {
  for (const Json &buffer : member(json, "buffers", "the manifest")) {
    BufferSpec spec;
    spec.id = get<int64_t>(buffer, "id", "buffers");
    std::string where = "buffer " + std::to_string(spec.id);
    spec.name = getOr<std::string>(buffer, "name", "", where);
    if (buffer.contains("unit") && buffer["unit"].is_number_integer()) {
      int64_t unit = buffer["unit"].get<int64_t>();
      if (unit >= 0 && unit < int64_t(manifest.units.size()))
        spec.unit = manifest.units[unit].name;
    } else {
      spec.unit = getOr<std::string>(buffer, "unit", "", where);
    }
    spec.kind = get<std::string>(buffer, "kind", where);
    spec.phase = get<std::string>(buffer, "phase", where);
    spec.until = getOr<std::string>(buffer, "until", "", where);
    spec.arena = get<int32_t>(buffer, "arena", where);
    spec.offset = get<int64_t>(buffer, "offset", where);
    spec.bytes = get<int64_t>(buffer, "bytes", where);
    spec.first = getOr<int64_t>(buffer, "first", 0, where);
    spec.last = getOr<int64_t>(buffer, "last", 0, where);
    checkRange(manifest, spec.arena, spec.offset, spec.bytes, where);
    require(spec.phase.empty()
                ? spec.until.empty()
                : manifest.beginOf(spec).first >= 0 &&
                      manifest.beginOf(spec) <= manifest.endOf(spec),
            where + " lives in phase '" + spec.phase + "' until '" +
                spec.until + "', expected phases of the program, in its order");
    manifest.buffers.push_back(spec);
  }
}

/// What is not known as a line's state would be missing in checkpoints: states
/// are all of a buffer of the optimizer, one after the other.
void checkStates(const Manifest &manifest) {
  std::map<std::pair<int32_t, int64_t>, int64_t> ends; // by where they begin
  for (const UnitSpec &unit : manifest.units)
    for (const LineSpec &line : unit.lines)
      for (const StateSpec &state : line.states) {
        const Place &place = state.place;
        require(ends.insert({{place.arena, place.offset},
                             place.offset + place.bytes})
                    .second,
                "unit '" + unit.name + "': state '" + state.name +
                    "' lies where another does");
      }
  for (const BufferSpec &buffer : manifest.buffers) {
    if (buffer.kind != "optimizer")
      continue;
    int64_t end = buffer.offset, last = buffer.offset + buffer.bytes;
    for (auto next = ends.find({buffer.arena, end});
         end < last && next != ends.end() && next->second > end;
         next = ends.find({buffer.arena, end}))
      end = next->second;
    require(end == last,
            "buffer " + std::to_string(buffer.id) + " ('" + buffer.name +
                "') is no line's state; compile the program again");
  }
}

} // namespace

Expected<Manifest> fsdprt::parseManifest(const std::string &text,
                                         const std::string &where) {
  try {
    Json json = Json::parse(text);
    Manifest manifest;
    parseHead(manifest, json);
    parseCommunicators(manifest, json);
    parseArenas(manifest, json);
    parsePhases(manifest, json);
    parseInterface(manifest, json);
    parseOptimizer(manifest, json);
    parseUnits(manifest, json);
    parseParameters(manifest, json);
    parseBuffers(manifest, json);
    checkStates(manifest);
    return manifest;
  } catch (const Malformed &malformed) {
    return failure("'", where, "': ", malformed.message);
  } catch (const Json::parse_error &error) {
    return failure("'", where, "' is not valid JSON (at byte ", error.byte,
                   "); compile the program again");
  } catch (const Json::exception &error) {
    return failure("'", where, "' is malformed: ", error.what());
  }
}

Expected<Manifest> fsdprt::loadManifest(const std::string &folder) {
  struct stat info;
  if (::stat(folder.c_str(), &info) != 0)
    return failure("cannot open program '", folder,
                   "': ", std::strerror(errno));
  std::string path = folder + "/manifest.json";
  if (!S_ISDIR(info.st_mode) || ::stat(path.c_str(), &info) != 0)
    return failure("'", folder,
                   "' is not a compiled program (no manifest.json in it); "
                   "make one with fsdp-compile");
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream)
    return failure("cannot read '", path, "': ", std::strerror(errno));
  Expected<Manifest> manifest = parseManifest(text.str(), path);
  if (manifest.ok())
    manifest->folder = folder;
  return manifest;
}
