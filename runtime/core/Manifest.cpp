//===- Manifest.cpp - What a compiled program says of itself --------------===//

#include "core/Manifest.h"

#include <algorithm>

using namespace fsdprt;

int64_t fsdprt::productOf(const std::vector<int64_t> &shape) {
  int64_t product = 1;
  for (int64_t size : shape)
    product *= size;
  return product;
}

std::optional<int64_t>
fsdprt::boundedProduct(const std::vector<int64_t> &shape) {
  int64_t product = 1;
  bool isEmpty = false;
  for (int64_t size : shape) {
    if (size < 0)
      return std::nullopt;
    isEmpty |= size == 0;
    if (size != 0 && product > kMostElements / size)
      product = kMostElements + 1;
    else if (size != 0)
      product *= size;
  }
  if (!isEmpty && product > kMostElements)
    return std::nullopt;
  return isEmpty ? 0 : product;
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

const char *fsdprt::wordOf(Runs runs) {
  switch (runs) {
#define FSDPRT_RUNS(number, Name, word)                                        \
  case Runs::Name:                                                             \
    return word;
#include "abi/runs.def"
  }
  return "";
}

Status Manifest::planMicrobatches(int64_t count) {
  auto isForSeveral = [](std::optional<Runs> runs) {
    return runs == Runs::Count || runs == Runs::Accumulate;
  };
  if (count > 1) {
    if (!phaseThatRuns(Runs::Count))
      return failure("'", folder,
                     "' cannot accumulate: it has no phase that "
                     "sums gradients up; compile it again");
    for (const ArenaSpec &arena : arenas)
      if (isForSeveral(arena.runs))
        plannedPeakBytes += arena.bytes;
    return Status();
  }
  auto erase = [](auto &list, auto isUnwanted) {
    list.erase(std::remove_if(list.begin(), list.end(), isUnwanted),
               list.end());
  };
  erase(buffers, [&](const BufferSpec &buffer) {
    int phase = phaseNumber(buffer.phase);
    return isForSeveral(arenas[buffer.arena].runs) ||
           (phase >= 0 && isForSeveral(phases[phase].runs));
  });
  erase(phases,
        [&](const PhaseSpec &phase) { return isForSeveral(phase.runs); });
  for (ArenaSpec &arena : arenas) // whose number counts
    if (isForSeveral(arena.runs))
      arena.bytes = 0;
  return Status();
}

int Manifest::phaseNumber(const std::string &name) const {
  for (size_t i = 0; i < phases.size(); ++i)
    if (phases[i].name == name)
      return int(i);
  return -1;
}

Moment Manifest::beginOf(const BufferSpec &buffer) const {
  return {phaseNumber(buffer.phase), buffer.first};
}

Moment Manifest::endOf(const BufferSpec &buffer) const {
  return {phaseNumber(buffer.until.empty() ? buffer.phase : buffer.until),
          buffer.last};
}

const PhaseSpec *Manifest::phaseThatRuns(Runs when) const {
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
