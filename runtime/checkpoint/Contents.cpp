//===- Contents.cpp - What of a rank's memory is saved --------------------===//

#include "checkpoint/Contents.h"

#include "core/DType.h"

using namespace fsdprt;

int64_t StoredPart::bytes() const { return elements * sizeOfDType(dtype); }

static bool isCompiledIn(const ParameterSpec &parameter) {
  return parameter.unit < 0 && parameter.origin == ParameterSpec::Origin::Data;
}

/// The rank's elements of the parameters of a line, in one plane of it.
static void addPlane(const Manifest &manifest, const LineSpec &line,
                     const std::string &plane, const Place &place, int rank,
                     std::vector<StoredPart> &parts) {
  for (int index : line.parameters) {
    const ParameterSpec &parameter = manifest.parameters[index];
    OwnedElements owned = manifest.ownedElements(parameter, rank);
    if (owned.begin >= owned.end)
      continue;
    StoredPart part;
    part.name = plane + "/" + parameter.names[0];
    part.dtype = place.dtype;
    part.elements = owned.end - owned.begin;
    part.arena = place.arena;
    part.offset = place.offset + owned.inShard * sizeOfDType(place.dtype);
    parts.push_back(std::move(part));
  }
}

/// A state of each element, or one of a parameter, which rank 0 writes.
static void addState(const Manifest &manifest, const LineSpec &line,
                     const StateSpec &state, int rank,
                     std::vector<StoredPart> &parts) {
  if (state.parameter < 0)
    return addPlane(manifest, line, state.name, state.place, rank, parts);
  if (rank != 0)
    return;
  StoredPart part;
  part.name = state.name + "/" + manifest.parameters[state.parameter].names[0];
  part.dtype = state.place.dtype;
  part.elements = productOf(state.place.shape);
  part.arena = state.place.arena;
  part.offset = state.place.offset;
  parts.push_back(std::move(part));
}

std::vector<StoredPart> fsdprt::partsOfRank(const Manifest &manifest,
                                            int rank) {
  std::vector<StoredPart> parts;
  // The last unit's gradients, and so its updates, come first.
  for (auto unit = manifest.units.rbegin(); unit != manifest.units.rend();
       ++unit)
    for (const LineSpec &line : unit->lines) {
      addPlane(manifest, line, kParameterPlane, line.shard, rank, parts);
      for (const StateSpec &state : line.states)
        addState(manifest, line, state, rank, parts);
    }
  for (const ParameterSpec &parameter : manifest.parameters)
    if (rank == 0 && isCompiledIn(parameter) && parameter.numElements() > 0) {
      StoredPart part;
      part.name = std::string(kBufferPlane) + "/" + parameter.names[0];
      part.dtype = parameter.dtype;
      part.elements = parameter.numElements();
      part.data = parameter.data.data();
      parts.push_back(std::move(part));
    }
  return parts;
}

static CheckpointParameter describe(const Manifest &manifest, int index) {
  const ParameterSpec &parameter = manifest.parameters[index];
  CheckpointParameter described;
  described.names = parameter.names;
  described.isBuffer = parameter.isBuffer;
  described.isCompiled = parameter.unit < 0;
  described.trainable = parameter.trainable;
  described.dtype = parameter.dtype;
  described.shape = parameter.shape;
  described.parts.resize(size_t(manifest.worldSize()));
  if (described.isCompiled) {
    described.parts[0] = {0, parameter.numElements()};
    return described;
  }
  const LineSpec &line = manifest.units[parameter.unit].lines[parameter.line];
  for (const StateSpec &state : line.states)
    if (state.isOf(index))
      described.states.push_back(
          {state.name, state.place.dtype,
           state.parameter < 0 ? -1 : productOf(state.place.shape)});
  for (size_t rank = 0; rank < described.parts.size(); ++rank)
    if (OwnedElements owned = manifest.ownedElements(parameter, int(rank));
        owned.begin < owned.end)
      described.parts[rank] = {owned.begin, owned.end};
  return described;
}

std::vector<CheckpointParameter>
fsdprt::describeParameters(const Manifest &manifest) {
  std::vector<CheckpointParameter> parameters;
  for (size_t i = 0; i < manifest.parameters.size(); ++i)
    if (manifest.parameters[i].unit >= 0 ||
        isCompiledIn(manifest.parameters[i]))
      parameters.push_back(describe(manifest, int(i)));
  return parameters;
}

std::string fsdprt::placementOf(const Manifest &manifest) {
  bool anyFlat = false, anyDim0 = false;
  for (const UnitSpec &unit : manifest.units)
    for (const LineSpec &line : unit.lines)
      (line.placement == LineSpec::Placement::Flat ? anyFlat : anyDim0) = true;
  return anyFlat && anyDim0 ? "mixed" : anyDim0 ? "dim0" : "flat";
}
