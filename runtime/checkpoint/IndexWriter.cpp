//===- IndexWriter.cpp - The text of a checkpoint's index -----------------===//

#include "checkpoint/IndexText.h"
#include "checkpoint/Sum.h"
#include "core/DType.h"

#include <nlohmann/json.hpp>

using namespace fsdprt;
using Json = nlohmann::ordered_json;

std::string fsdprt::rankFileName(int rank) {
  return "rank-" + std::to_string(rank) + ".safetensors";
}

static Json describe(const CheckpointParameter &parameter) {
  Json states = Json::array();
  for (const CheckpointState &state : parameter.states) {
    states.push_back(
        {{"name", state.name}, {"dtype", lookupDType(state.dtype)->name}});
    if (state.elements >= 0)
      states.back()["elements"] = state.elements;
  }
  return {{"names", parameter.names},
          {"kind", parameter.isBuffer ? "buffer" : "parameter"},
          {"compiled", parameter.isCompiled},
          {"trainable", parameter.trainable},
          {"dtype", lookupDType(parameter.dtype)->name},
          {"shape", parameter.shape},
          {"states", std::move(states)},
          {"parts", parameter.parts}};
}

static Json describe(const CheckpointIndex &index) {
  const CheckpointSchedule &schedule = index.schedule;
  const CheckpointData &data = index.data;
  Json mesh = Json::array(), parameters = Json::array(), files = Json::array();
  for (const MeshAxis &axis : index.mesh)
    mesh.push_back({{"axis", axis.axis}, {"size", axis.size}});
  for (const CheckpointParameter &parameter : index.parameters)
    parameters.push_back(describe(parameter));
  for (const CheckpointFile &file : index.files)
    files.push_back(
        {{"name", file.name}, {"bytes", file.bytes}, {"sum", file.sum}});
  return {{"format", kCheckpointFormat},
          {"version", kCheckpointVersion},
          {"run", index.run},
          {"first_row", index.firstRow},
          {"step", index.counters.step},
          {"rows", index.counters.rows},
          {"epoch", index.counters.epoch},
          {"seed", index.seed},
          {"schedule",
           {{"name", schedule.name},
            {"lr", schedule.lr},
            {"min_lr", schedule.minLr},
            {"warmup", schedule.warmup},
            {"steps", schedule.steps}}},
          {"data",
           {{"files", data.files},
            {"tokens", data.tokens},
            {"seq", data.seq},
            {"shuffle", data.shuffle},
            {"weights", data.weights},
            {"sum", data.sum}}},
          {"model", index.model},
          {"vocab_size", index.vocabSize},
          {"optimizer", index.optimizer},
          {"mesh", std::move(mesh)},
          {"placement", index.placement},
          {"parameters", std::move(parameters)},
          {"files", std::move(files)}};
}

/// Names of files need not be UTF-8.
static std::string textOf(const Json &value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// For people: a line a field, and a line an entry of the long ones.
std::string fsdprt::writeIndex(const CheckpointIndex &index) {
  Json json = describe(index);
  std::string text = "\"";
  for (const auto &[key, value] : json.items()) {
    text += ",\n\"" + key + "\": ";
    bool isLong = key == "parameters" || key == "files";
    if (!isLong)
      text += textOf(value);
    for (size_t i = 0; isLong && i < value.size(); ++i)
      text += (i ? ",\n  " : "[\n  ") + textOf(value[i]);
    if (isLong)
      text += value.empty() ? "[]" : "\n]";
  }
  text += "\n}\n";
  RunningSum sum;
  sum.add(text.data(), text.size());
  return kIndexBegin + sumText(sum.value()) + text;
}
