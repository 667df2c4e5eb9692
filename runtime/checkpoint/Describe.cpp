//===- Describe.cpp - What a checkpoint is, for people --------------------===//

#include "checkpoint/Describe.h"

#include "checkpoint/Folder.h"
#include "checkpoint/Pieces.h"
#include "core/DType.h"
#include "core/Numbers.h"

#include <sstream>

using namespace fsdprt;

static int64_t bytesOf(const CheckpointIndex &index) {
  int64_t bytes = 0;
  for (const CheckpointFile &file : index.files)
    bytes += file.bytes;
  return bytes;
}

static std::string meshOf(const CheckpointIndex &index) {
  std::string text;
  for (const MeshAxis &axis : index.mesh)
    text +=
        (text.empty() ? "" : ",") + axis.axis + "=" + std::to_string(axis.size);
  return text;
}

Expected<std::string> fsdprt::describeFolder(const std::string &folder) {
  auto steps = listCheckpoints(folder);
  if (!steps.ok())
    return steps.status();
  std::string text;
  for (int64_t step : *steps) {
    std::string path = stepFolder(folder, step);
    text += path + "  ";
    auto checkpoint = CheckpointReader::open(path);
    if (!checkpoint.ok()) {
      text += checkpoint.status().message() + "\n";
      continue;
    }
    const CheckpointIndex &index = checkpoint->index();
    text += "step " + std::to_string(index.counters.step) + "  row " +
            std::to_string(index.counters.rows) + "  " + meshOf(index) + "  " +
            formatBytes(bytesOf(index)) + "  " + index.model + "\n";
  }
  return text.empty() ? "no complete checkpoint in '" + folder + "'\n" : text;
}

static std::string describeData(const CheckpointData &data) {
  std::string text;
  for (const std::string &file : data.files)
    text += (text.empty() ? "" : ", ") + file;
  return text + ": " + grouped(data.tokens) + " tokens, rows of " +
         grouped(data.seq) +
         (data.weights.empty() ? "" : ", mixed " + data.weights) +
         (data.shuffle ? ", shuffled" : ", in the files' order");
}

static std::string describeSchedule(const CheckpointSchedule &schedule) {
  std::ostringstream text;
  text << schedule.name << ", lr " << schedule.lr;
  if (schedule.minLr != 0)
    text << " to " << schedule.minLr;
  text << ", warm-up " << schedule.warmup;
  if (schedule.steps > 0)
    text << ", " << schedule.steps << " steps";
  return text.str();
}

/// Elements of a parameter, over all of them, and of what is kept of each.
static std::string describeParameters(const CheckpointIndex &index) {
  int64_t elements = 0, count = 0, buffers = 0;
  std::map<std::string, int64_t> bytesByPlane;
  std::vector<std::string> planes; // in the order in which they come
  for (const CheckpointParameter &parameter : index.parameters) {
    (parameter.isBuffer ? buffers : count) += 1;
    elements += parameter.isBuffer ? 0 : parameter.numElements();
    for (const CheckpointState &plane : planesOf(parameter)) {
      if (!bytesByPlane.count(plane.name))
        planes.push_back(plane.name);
      bytesByPlane[plane.name] +=
          parameter.elementsOf(plane.name) * sizeOfDType(plane.dtype);
    }
  }
  std::string text = grouped(count) + " of " + grouped(elements) + " elements";
  if (buffers)
    text += ", and " + grouped(buffers) + " buffers";
  text += "\n";
  for (const std::string &plane : planes)
    text += "  " + nameAndValue(plane, formatBytes(bytesByPlane[plane]));
  return text;
}

std::string fsdprt::describeCheckpoint(const CheckpointReader &checkpoint) {
  const CheckpointIndex &index = checkpoint.index();
  std::string text =
      nameAndValue("model", index.model) +
      nameAndValue("step", grouped(index.counters.step)) +
      nameAndValue("rows", grouped(index.counters.rows) + ", epoch " +
                               grouped(index.counters.epoch)) +
      nameAndValue("data", describeData(index.data)) +
      nameAndValue("seed", std::to_string(index.seed)) +
      nameAndValue("schedule", describeSchedule(index.schedule)) +
      nameAndValue("optimizer",
                   index.optimizer.empty() ? "none" : index.optimizer) +
      nameAndValue("vocabulary", grouped(index.vocabSize) + " classes") +
      nameAndValue("mesh", meshOf(index) + ", " + index.placement) +
      "parameters    " + describeParameters(index) +
      nameAndValue("files", formatBytes(bytesOf(index)));
  for (const CheckpointFile &file : index.files)
    text += "  " + nameAndValue(file.name, formatBytes(file.bytes));
  return text;
}
