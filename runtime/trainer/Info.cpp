//===- Info.cpp - What a program is ---------------------------------------===//

#include "trainer/Info.h"

#include "checkpoint/FileWriter.h"
#include "core/DType.h"
#include "core/Numbers.h"

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// Words
//===----------------------------------------------------------------------===//

static std::string counted(int64_t number, const char *what) {
  return grouped(number) + " " + what + (number == 1 ? "" : "s");
}

static std::string nameOfDType(int32_t dtype) {
  const DTypeInfo *info = lookupDType(dtype);
  return info ? info->name : "?";
}

//===----------------------------------------------------------------------===//
// Head
//===----------------------------------------------------------------------===//

static std::string describeTarget(const Manifest &manifest) {
  if (manifest.target == "cuda")
    return "cuda, " + manifest.arch;
  std::string text = manifest.target;
  for (const std::string &part : {manifest.triple, manifest.cpu})
    text += part.empty() ? "" : ", " + part;
  return text;
}

static std::string describeBatch(const Manifest &manifest) {
  int64_t rows = manifest.batch * manifest.worldSize();
  return counted(manifest.batch, "row") + " of " +
         counted(manifest.seq, "token") +
         " a rank: " + grouped(rows * manifest.seq) + " tokens a step";
}

static std::string describeVocabulary(const Manifest &manifest) {
  std::string text = grouped(manifest.vocabSize) + " classes";
  if (manifest.tokenRows != manifest.vocabSize)
    text += ", token ids below " + grouped(manifest.tokenRows);
  return text;
}

static std::string describePhases(const Manifest &manifest) {
  std::string text;
  for (const PhaseSpec &phase : manifest.phases)
    text += (text.empty() ? "" : ", ") + phase.name + " (" +
            wordOf(phase.runs) + ")";
  return text;
}

static std::string describeOptimizer(const Manifest &manifest) {
  std::set<std::string> states;
  for (const UnitSpec &unit : manifest.units)
    for (const LineSpec &line : unit.lines)
      for (const StateSpec &state : line.states)
        states.insert(state.name +
                      (state.place.dtype == line.dtype
                           ? ""
                           : " in " + nameOfDType(state.place.dtype)));
  std::string text = manifest.optimizer.empty() ? "none" : manifest.optimizer;
  for (const std::string &state : states)
    text += (state == *states.begin() ? ", keeps " : ", ") + state;
  return text;
}

/// Of each group of parameters its numbers, by torch's names.
static std::string describeGroups(const Manifest &manifest) {
  std::ostringstream text;
  for (size_t group = 0; group < manifest.groups.size(); ++group) {
    auto count =
        std::count_if(manifest.parameters.begin(), manifest.parameters.end(),
                      [group](const ParameterSpec &parameter) {
                        return parameter.group == int(group);
                      });
    text << "  " << counted(count, "parameter") << ":";
    const char *separator = " ";
    for (const auto &[name, value] : manifest.groups[group].numbers) {
      text << std::exchange(separator, ", ") << name << " " << value
           << (name == "lr" ? "x" : "");
    }
    text << "\n";
  }
  if (manifest.averageDecay > 0)
    text << "  averaged parameters: ema " << manifest.averageDecay << "\n";
  return text.str();
}

//===----------------------------------------------------------------------===//
// Parameters and units
//===----------------------------------------------------------------------===//

static std::string sumUpParameters(const Manifest &manifest) {
  int64_t elements = 0, bytes = 0, frozen = 0, buffers = 0;
  std::set<std::string> dtypes;
  for (const ParameterSpec &parameter : manifest.parameters) {
    if (parameter.isBuffer) {
      ++buffers;
      continue;
    }
    elements += parameter.numElements();
    bytes += parameter.numElements() * sizeOfDType(parameter.dtype);
    frozen += parameter.trainable ? 0 : parameter.numElements();
    dtypes.insert(nameOfDType(parameter.dtype));
  }
  int64_t count = int64_t(manifest.parameters.size()) - buffers;
  std::string text = grouped(count) + " of " + counted(elements, "element") +
                     ", " + formatBytes(bytes);
  for (const std::string &dtype : dtypes)
    text += (dtype == *dtypes.begin() ? " of " : ", ") + dtype;
  if (frozen)
    text += "; frozen " + counted(frozen, "element");
  if (buffers)
    text += "; and " + counted(buffers, "buffer");
  return text;
}

/// What makes units alike, in words: of each line its parameters.
static std::string describeUnit(const UnitSpec &unit) {
  std::string text;
  for (const LineSpec &spec : unit.lines) {
    int64_t bytes = sizeOfDType(spec.dtype);
    text += (text.empty() ? "" : "; ") +
            counted(int64_t(spec.parameters.size()), "parameter") + " of " +
            counted(spec.elements, "element") + ", " + nameOfDType(spec.dtype) +
            (spec.trainable ? "" : ", frozen") + ", " +
            (spec.placement == LineSpec::Placement::Flat ? "flat" : "dim0") +
            ", " + formatBytes(spec.shardElements * bytes) + " a rank";
  }
  return text.empty() ? "nothing of its own" : text;
}

/// Units that follow each other and are alike are one line.
static std::string describeUnits(const Manifest &manifest) {
  std::string text;
  const std::vector<UnitSpec> &units = manifest.units;
  for (size_t first = 0, end; first < units.size(); first = end) {
    std::string what = describeUnit(units[first]);
    end = first + 1;
    while (end < units.size() && describeUnit(units[end]) == what)
      ++end;
    auto nameOf = [&](size_t unit) {
      return units[unit].name.empty() ? "(root)" : units[unit].name;
    };
    std::string names = nameOf(first);
    if (end - first > 1)
      names += " to " + nameOf(end - 1) + ", " + std::to_string(end - first) +
               " alike, each";
    text += "  " + names + ": " + what + "\n";
  }
  return text;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

FullestMoment fsdprt::fullestMoment(const Manifest &manifest) {
  FullestMoment fullest;
  int64_t most = -1;
  for (const PhaseSpec &phase : manifest.phases) {
    std::map<int64_t, int64_t> change; // by operation
    int64_t operations = 0;
    for (const BufferSpec &buffer : manifest.buffers)
      if (buffer.phase == phase.name) {
        change[buffer.first] += buffer.bytes;
        change[buffer.last + 1] -= buffer.bytes;
        operations = std::max(operations, buffer.last + 1);
      }
    int64_t bytes = 0;
    for (auto [operation, difference] : change) {
      bytes += difference;
      if (bytes <= most)
        continue;
      most = bytes;
      fullest.phase = phase.name;
      fullest.operation = operation;
      fullest.operations = operations;
    }
  }
  for (const BufferSpec &buffer : manifest.buffers)
    if (buffer.phase.empty() ||
        (buffer.phase == fullest.phase && buffer.first <= fullest.operation &&
         fullest.operation <= buffer.last))
      fullest.bytesByKind[buffer.kind] += buffer.bytes;
  return fullest;
}

static std::string describePeak(const Manifest &manifest) {
  std::string arenas;
  for (const ArenaSpec &arena : manifest.arenas)
    arenas += (arenas.empty() ? "" : ", ") + arena.name + " " +
              formatBytes(arena.bytes);
  std::string text = nameAndValue(
      "planned peak", formatBytes(manifest.plannedPeakBytes) + " (" +
                          grouped(manifest.plannedPeakBytes) +
                          " bytes) a rank: " + arenas);
  FullestMoment fullest = fullestMoment(manifest);
  if (fullest.bytesByKind.empty())
    return text;
  text += "  buffers in use at operation " +
          std::to_string(fullest.operation + 1) + " of " +
          std::to_string(fullest.operations) + " of phase " + fullest.phase +
          ":\n";
  std::vector<std::pair<std::string, int64_t>> kinds(
      fullest.bytesByKind.begin(), fullest.bytesByKind.end());
  std::sort(kinds.begin(), kinds.end(), [](const auto &a, const auto &b) {
    return std::make_pair(-a.second, a.first) <
           std::make_pair(-b.second, b.first);
  });
  for (const auto &[kind, bytes] : kinds)
    text += "    " + nameAndValue(kind, formatBytes(bytes));
  return text;
}

std::string fsdprt::describeProgram(const Manifest &manifest) {
  std::string mesh = manifest.meshString();
  return nameAndValue("model", manifest.model.empty() ? "?" : manifest.model) +
         nameAndValue("target", describeTarget(manifest)) +
         nameAndValue("mesh", mesh + " (" +
                                  counted(manifest.worldSize(), "rank") + ")") +
         nameAndValue("batch", describeBatch(manifest)) +
         nameAndValue("vocabulary", describeVocabulary(manifest)) +
         nameAndValue("phases", describePhases(manifest)) +
         nameAndValue("optimizer", describeOptimizer(manifest)) +
         describeGroups(manifest) +
         nameAndValue("parameters", sumUpParameters(manifest)) +
         nameAndValue("units", std::to_string(manifest.units.size())) +
         describeUnits(manifest) + describePeak(manifest) +
         nameAndValue("checkpoints",
                      formatBytes(FileWriter::stagingBytes) +
                          " more a rank, through which its file is copied, "
                          "where they are taken");
}
