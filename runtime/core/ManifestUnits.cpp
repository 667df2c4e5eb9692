//===- ManifestUnits.cpp - Units and their parameters ---------------------===//

#include "core/ManifestUnits.h"

#include "core/DType.h"

#include <algorithm>
#include <set>

using namespace fsdprt;
using namespace fsdprt::fields;

static std::vector<StateSpec> parseStates(const Manifest &manifest,
                                          const Json &line,
                                          const LineSpec &parsed,
                                          const std::string &where) {
  std::vector<StateSpec> states;
  std::set<std::pair<std::string, int>> names;
  if (!line.contains("states"))
    return states;
  for (const Json &state : member(line, "states", where)) {
    StateSpec spec;
    spec.name = get<std::string>(state, "name", where + ": a state");
    const std::string what = where + ": state '" + spec.name + "'";
    spec.place = parsePlace(manifest, member(state, "place", what), what);
    // Names of a checkpoint's tensors begin with it.
    require(!spec.name.empty() && spec.name.find('/') == std::string::npos &&
                spec.name != "parameter" && spec.name != "buffer",
            what + " has a name that no state can have");
    const std::vector<int> &parameters = parsed.parameters;
    spec.parameter = getOr<int>(state, "parameter", -1, what);
    require(!state.contains("parameter") ||
                std::find(parameters.begin(), parameters.end(),
                          spec.parameter) != parameters.end(),
            what + " is that of parameter " + std::to_string(spec.parameter) +
                ", which is not in its line");
    require(!names.count({spec.name, -1}) &&
                names.insert({spec.name, spec.parameter}).second,
            what + " is there twice");
    require(spec.parameter >= 0 ||
                productOf(spec.place.shape) == parsed.shardElements,
            what + " has shape " + shapeString(spec.place.shape) +
                ", expected shard_elements, which is " +
                std::to_string(parsed.shardElements));
    states.push_back(std::move(spec));
  }
  return states;
}

static std::optional<Place> parseGathered(const Manifest &manifest,
                                          const Json &line,
                                          int64_t shardElements,
                                          const std::string &where) {
  if (!line.contains("gathered"))
    return std::nullopt;
  const std::string what = where + ": 'gathered'";
  Place place = parsePlace(manifest, member(line, "gathered", where), what);
  require(productOf(place.shape) == shardElements,
          what + " has shape " + shapeString(place.shape) +
              ", expected shard_elements, which is " +
              std::to_string(shardElements));
  return place;
}

void fsdprt::parseUnits(Manifest &manifest, const Json &json) {
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
      parsed.shardElements = getSize(line, "shard_elements", where);
      parsed.elements = getSize(line, "elements", where);
      parsed.shard = parsePlace(manifest, member(line, "shard", where), where);
      for (int64_t index : getIntegers(line, "parameters", where)) {
        require(index >= 0 && index <= INT32_MAX, where + ": parameter " +
                                                      std::to_string(index) +
                                                      " does not exist");
        parsed.parameters.push_back(int(index));
      }
      require(parsed.shard.bytes ==
                  parsed.shardElements * sizeOfDType(parsed.dtype),
              where + ": the shard's bytes do not hold shard_elements");
      parsed.gathered =
          parseGathered(manifest, line, parsed.shardElements, where);
      parsed.states = parseStates(manifest, line, parsed, where);
      spec.lines.push_back(parsed);
    }
    manifest.units.push_back(spec);
  }
}

static void parseOrigin(ParameterSpec &spec, const Json &json,
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
    spec.fileOffset = getSize(source, "offset", where);
    spec.fileBytes = get<int64_t>(source, "bytes", where);
    spec.fileSize = getOr<int64_t>(source, "file_bytes", -1, where);
    if (source.contains("sum"))
      spec.fileSum = uint64_t(get<int64_t>(source, "sum", where));
    spec.transposed = getOr<bool>(source, "transposed", false, where);
    require(spec.fileBytes == spec.numElements() * sizeOfDType(spec.dtype),
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

/// A line lists the parameters that say they are in it.
static void checkLines(const Manifest &manifest) {
  for (size_t u = 0; u < manifest.units.size(); ++u)
    for (size_t l = 0; l < manifest.units[u].lines.size(); ++l)
      for (int index : manifest.units[u].lines[l].parameters) {
        const std::string what = "unit '" + manifest.units[u].name +
                                 "': parameter " + std::to_string(index);
        require(index >= 0 && index < int(manifest.parameters.size()),
                what + " does not exist");
        const ParameterSpec &parameter = manifest.parameters[index];
        require(parameter.unit == int(u) && parameter.line == int(l),
                what + " is not in line " + std::to_string(l) + " of it");
      }
}

void fsdprt::parseParameters(Manifest &manifest, const Json &json) {
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
    if (parameter.contains("offset"))
      spec.offset = getSize(parameter, "offset", where);
    spec.group = getOr<int>(parameter, "group", -1, where);
    require(spec.group < int(manifest.groups.size()),
            where + ": the optimizer has no group " +
                std::to_string(spec.group));
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
      require(spec.offset + (flat ? spec.numElements()
                                  : spec.elementsPerRank(world)) <=
                  line.shardElements * (flat ? world : 1),
              where + ": it reaches beyond the end of its line");
    }
    manifest.parameters.push_back(std::move(spec));
  }
  checkLines(manifest);
}
