//===- Manifest.cpp - What a compiled program says of itself --------------===//

#include "core/Manifest.h"

#include "core/DType.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sys/stat.h>

using namespace fsdprt;
using Json = nlohmann::json;

int64_t fsdprt::productOf(const std::vector<int64_t> &shape) {
  int64_t product = 1;
  for (int64_t size : shape)
    product *= size;
  return product;
}

std::string fsdprt::shapeString(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

int64_t ParameterSpec::numElements() const { return productOf(shape); }

int64_t ParameterSpec::elementsPerRank(int64_t world) const {
  int64_t rows = shape.empty() ? 1 : shape[0];
  return rows == 0 ? 0 : numElements() / rows * ((rows + world - 1) / world);
}

OwnedElements Manifest::ownedElements(const ParameterSpec &parameter,
                                      int rank) const {
  const LineSpec &line = units[parameter.unit].lines[parameter.line];
  int64_t elements = parameter.numElements();
  if (line.placement == LineSpec::Placement::Dim0) {
    int64_t part = parameter.elementsPerRank(worldSize());
    return {rank * part, std::min((rank + 1) * part, elements),
            parameter.offset};
  }
  int64_t first = rank * line.shardElements, last = first + line.shardElements;
  int64_t begin = std::max(first, parameter.offset);
  int64_t end = std::min(last, parameter.offset + elements);
  return {begin - parameter.offset, end - parameter.offset, begin - first};
}

int64_t Manifest::gatheredOffset(const ParameterSpec &parameter) const {
  const LineSpec &line = units[parameter.unit].lines[parameter.line];
  return parameter.offset *
         (line.placement == LineSpec::Placement::Dim0 ? worldSize() : 1);
}

int64_t Manifest::worldSize() const {
  int64_t size = 1;
  for (const MeshAxis &axis : mesh)
    size *= axis.size;
  return size;
}

std::string Manifest::meshString() const {
  std::string text;
  for (const MeshAxis &axis : mesh)
    text +=
        (text.empty() ? "" : ",") + axis.axis + "=" + std::to_string(axis.size);
  return text;
}

const PhaseSpec *Manifest::phaseThatRuns(const std::string &when) const {
  for (const PhaseSpec &phase : phases)
    if (phase.runs == when)
      return &phase;
  return nullptr;
}

Expected<std::string> fsdprt::decodeBase64(const std::string &text) {
  std::string bytes;
  uint32_t group = 0;
  int bits = 0;
  for (char c : text) {
    if (c == '=')
      break;
    int digit = c >= 'A' && c <= 'Z'   ? c - 'A'
                : c >= 'a' && c <= 'z' ? c - 'a' + 26
                : c >= '0' && c <= '9' ? c - '0' + 52
                : c == '+'             ? 62
                : c == '/'             ? 63
                                       : -1;
    if (digit < 0)
      return failure("invalid base64 character '", c, "'");
    group = (group << 6) | static_cast<uint32_t>(digit);
    if ((bits += 6) >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<char>((group >> bits) & 0xff));
    }
  }
  return bytes;
}

//===----------------------------------------------------------------------===//
// Fields
//===----------------------------------------------------------------------===//

namespace {

/// Inside the parser a malformed manifest unwinds as this exception, as
/// nlohmann's own do; parseManifest turns both into a Status.
struct Malformed {
  std::string message;
};

void require(bool condition, const std::string &message) {
  if (!condition)
    throw Malformed{message};
}

const Json &member(const Json &object, const char *key,
                   const std::string &where) {
  require(object.is_object(), where + " is not an object");
  auto it = object.find(key);
  require(it != object.end(), where + " has no '" + key + "'");
  return *it;
}

template <typename T>
T get(const Json &object, const char *key, const std::string &where) {
  const Json &value = member(object, key, where);
  try {
    return value.get<T>();
  } catch (const Json::exception &) {
    throw Malformed{where + ": '" + key + "' has the wrong type (" +
                    value.dump().substr(0, 40) + ")"};
  }
}

template <typename T>
T getOr(const Json &object, const char *key, T otherwise,
        const std::string &where) {
  return object.contains(key) ? get<T>(object, key, where) : otherwise;
}

int32_t getDType(const Json &object, const std::string &where) {
  Expected<int32_t> dtype =
      parseDType(get<std::string>(object, "dtype", where));
  require(dtype.ok(), where + ": " + dtype.status().message());
  return *dtype;
}

std::vector<int64_t> getShape(const Json &object, const std::string &where) {
  auto shape = get<std::vector<int64_t>>(object, "shape", where);
  for (int64_t size : shape)
    require(size >= 0 && size < (int64_t(1) << 40),
            where + ": invalid shape " + shapeString(shape));
  return shape;
}

void checkRange(const Manifest &manifest, int64_t arena, int64_t offset,
                int64_t bytes, const std::string &where) {
  require(arena >= 0 && arena < int64_t(manifest.arenas.size()),
          where + ": arena " + std::to_string(arena) + " does not exist");
  int64_t size = manifest.arenas[arena].bytes;
  require(offset >= 0 && bytes >= 0 && offset <= size && bytes <= size - offset,
          where + ": bytes [" + std::to_string(offset) + ", +" +
              std::to_string(bytes) + ") reach beyond the " +
              std::to_string(size) + " bytes of arena '" +
              manifest.arenas[arena].name + "'");
}

Place parsePlace(const Manifest &manifest, const Json &json,
                 const std::string &where) {
  Place place;
  place.arena = get<int32_t>(json, "arena", where);
  place.offset = get<int64_t>(json, "offset", where);
  place.bytes = get<int64_t>(json, "bytes", where);
  place.dtype = getDType(json, where);
  place.shape = getShape(json, where);
  checkRange(manifest, place.arena, place.offset, place.bytes, where);
  require(place.bytes == productOf(place.shape) * sizeOfDType(place.dtype),
          where + ": " + std::to_string(place.bytes) +
              " bytes do not hold shape " + shapeString(place.shape));
  return place;
}

//===----------------------------------------------------------------------===//
// Sections
//===----------------------------------------------------------------------===//

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
  const Json &target = member(json, "target", where);
  manifest.triple = getOr<std::string>(target, "triple", "", "target");
  manifest.cpu = getOr<std::string>(target, "cpu", "", "target");
  manifest.features =
      getOr<std::vector<std::string>>(target, "features", {}, "target");
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

void parseArenas(Manifest &manifest, const Json &json) {
  int64_t sum = 0;
  for (const Json &arena : member(json, "arenas", "the manifest")) {
    ArenaSpec spec{get<std::string>(arena, "name", "arenas"),
                   get<int64_t>(arena, "bytes", "arenas")};
    require(spec.bytes >= 0 && spec.bytes < (int64_t(1) << 46),
            "arena '" + spec.name + "' has an invalid size");
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
    PhaseSpec spec{get<std::string>(phase, "name", "phases"),
                   get<std::string>(phase, "symbol", "phases"),
                   get<std::string>(phase, "runs", "phases")};
    require(spec.runs == "once" || spec.runs == "step" || spec.runs == "save",
            "phase '" + spec.name + "' runs '" + spec.runs +
                "', expected once, step or save");
    manifest.phases.push_back(spec);
  }
}

void parseInterface(Manifest &manifest, const Json &json) {
  const std::string where = "the manifest";
  manifest.batch = get<int64_t>(json, "batch", where);
  manifest.seq = get<int64_t>(json, "seq", where);
  require(manifest.batch > 0 && manifest.seq > 0,
          "batch and seq must be positive");
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
  manifest.vocabSize = get<int64_t>(json, "vocab_size", where);
  manifest.tokenRows =
      getOr<int64_t>(json, "token_rows", manifest.vocabSize, where);
  manifest.dropped =
      getOr<std::vector<std::string>>(json, "dropped", {}, where);
  manifest.ignoreIndex = getOr<int64_t>(json, "ignore_index", -100, where);
  std::string shift = get<std::string>(json, "labels_shift", where);
  require(shift == "data" || shift == "model",
          "labels_shift is '" + shift + "', expected data or model");
  manifest.labelsAreNextTokens = shift == "data";
}

void parseUnits(Manifest &manifest, const Json &json) {
  for (const Json &unit : member(json, "units", "the manifest")) {
    UnitSpec spec;
    spec.name = get<std::string>(unit, "name", "units");
    std::string where = "unit '" + spec.name + "'";
    for (const Json &line : member(unit, "lines", where)) {
      LineSpec parsed;
      parsed.dtype = getDType(line, where);
      parsed.trainable = get<bool>(line, "trainable", where);
      std::string placement =
          getOr<std::string>(line, "placement", "flat", where);
      require(placement == "flat" || placement == "dim0",
              where + ": placement is '" + placement +
                  "', expected flat or dim0");
      parsed.placement = placement == "flat" ? LineSpec::Placement::Flat
                                             : LineSpec::Placement::Dim0;
      parsed.shardElements = get<int64_t>(line, "shard_elements", where);
      parsed.elements = get<int64_t>(line, "elements", where);
      parsed.shard = parsePlace(manifest, member(line, "shard", where), where);
      parsed.parameters = get<std::vector<int>>(line, "parameters", where);
      require(parsed.shardElements >= 0 &&
                  parsed.shard.bytes ==
                      parsed.shardElements * sizeOfDType(parsed.dtype),
              where + ": the shard's bytes do not hold shard_elements");
      spec.lines.push_back(parsed);
    }
    manifest.units.push_back(spec);
  }
}

void parseOrigin(ParameterSpec &spec, const Json &json,
                 const std::string &where) {
  using Origin = ParameterSpec::Origin;
  if (json.contains("data")) {
    Expected<std::string> data =
        decodeBase64(get<std::string>(json["data"], "base64", where + " data"));
    require(data.ok(), where + ": " + data.status().message());
    spec.origin = Origin::Data;
    spec.data = *data;
    require(int64_t(spec.data.size()) ==
                spec.numElements() * sizeOfDType(spec.dtype),
            where + ": data has " + std::to_string(spec.data.size()) +
                " bytes, its shape " + shapeString(spec.shape) + " another");
  } else if (json.contains("source")) {
    const Json &source = json["source"];
    spec.file = getOr<std::string>(source, "file", "", where);
    if (source.contains("fill")) {
      spec.origin = Origin::Fill;
      spec.value = get<double>(source, "fill", where);
      return;
    }
    spec.origin = Origin::File;
    spec.fileOffset = get<int64_t>(source, "offset", where);
    spec.fileBytes = get<int64_t>(source, "bytes", where);
    spec.fileSize = getOr<int64_t>(source, "file_bytes", -1, where);
    if (source.contains("sum"))
      spec.fileSum = uint64_t(get<int64_t>(source, "sum", where));
    spec.transposed = getOr<bool>(source, "transposed", false, where);
    require(spec.fileOffset >= 0 &&
                spec.fileBytes == spec.numElements() * sizeOfDType(spec.dtype),
            where + ": its source has " + std::to_string(spec.fileBytes) +
                " bytes, expected those of shape " + shapeString(spec.shape));
    require(!spec.transposed || spec.shape.size() == 2,
            where + ": only a matrix can be transposed");
  } else if (json.contains("init")) {
    const Json &init = json["init"];
    std::string kind = get<std::string>(init, "kind", where);
    require(kind == "normal" || kind == "constant",
            where + ": unknown initialiser '" + kind + "'");
    spec.origin = kind == "normal" ? Origin::Normal : Origin::Constant;
    if (kind == "constant") {
      spec.value = get<double>(init, "value", where);
    } else {
      spec.mean = getOr<double>(init, "mean", 0.0, where);
      spec.stddev = get<double>(init, "std", where);
    }
  }
}

void parseParameters(Manifest &manifest, const Json &json) {
  for (const Json &parameter : member(json, "parameters", "the manifest")) {
    ParameterSpec spec;
    spec.names =
        get<std::vector<std::string>>(parameter, "names", "parameters");
    require(!spec.names.empty(), "a parameter has no name");
    std::string where = "parameter '" + spec.names[0] + "'";
    spec.dtype = getDType(parameter, where);
    spec.shape = getShape(parameter, where);
    spec.isBuffer =
        getOr<std::string>(parameter, "kind", "parameter", where) == "buffer";
    spec.trainable = getOr<bool>(parameter, "trainable", true, where);
    spec.unit = get<int>(parameter, "unit", where);
    spec.line = getOr<int>(parameter, "line", 0, where);
    spec.offset = getOr<int64_t>(parameter, "offset", 0, where);
    parseOrigin(spec, parameter, where);
    if (spec.unit >= 0) {
      require(spec.unit < int(manifest.units.size()) && spec.line >= 0 &&
                  spec.line < int(manifest.units[spec.unit].lines.size()),
              where + ": unit " + std::to_string(spec.unit) + ", line " +
                  std::to_string(spec.line) + " does not exist");
      const LineSpec &line = manifest.units[spec.unit].lines[spec.line];
      require(spec.dtype == line.dtype, where + ": dtype is not its line's");
      int64_t world = manifest.worldSize();
      bool flat = line.placement == LineSpec::Placement::Flat;
      require(spec.offset >= 0 &&
                  spec.offset + (flat ? spec.numElements()
                                      : spec.elementsPerRank(world)) <=
                      line.shardElements * (flat ? world : 1),
              where + ": it reaches beyond the end of its line");
    }
    manifest.parameters.push_back(std::move(spec));
  }
  for (const UnitSpec &unit : manifest.units)
    for (const LineSpec &line : unit.lines)
      for (int index : line.parameters)
        require(index >= 0 && index < int(manifest.parameters.size()),
                "unit '" + unit.name + "': parameter " + std::to_string(index) +
                    " does not exist");
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
    spec.arena = get<int32_t>(buffer, "arena", where);
    spec.offset = get<int64_t>(buffer, "offset", where);
    spec.bytes = get<int64_t>(buffer, "bytes", where);
    spec.first = getOr<int64_t>(buffer, "first", 0, where);
    spec.last = getOr<int64_t>(buffer, "last", 0, where);
    checkRange(manifest, spec.arena, spec.offset, spec.bytes, where);
    manifest.buffers.push_back(spec);
  }
}

} // namespace

Expected<Manifest> fsdprt::parseManifest(const std::string &text,
                                         const std::string &where) {
  try {
    Json json = Json::parse(text);
    Manifest manifest;
    parseHead(manifest, json);
    parseArenas(manifest, json);
    parsePhases(manifest, json);
    parseInterface(manifest, json);
    parseUnits(manifest, json);
    parseParameters(manifest, json);
    parseBuffers(manifest, json);
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
