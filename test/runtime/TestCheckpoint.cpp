//===- TestCheckpoint.cpp - A checkpoint to test with --------------------===//

#include "TestCheckpoint.h"

#include "TestProgramLayout.h"
#include "checkpoint/Folder.h"
#include "checkpoint/IndexText.h"
#include "checkpoint/NewFile.h"
#include "checkpoint/Reader.h"

using namespace fsdprt;
using namespace fsdprt::test;
using Json = nlohmann::json;

Manifest test::manifestOf(int world, bool dim0) {
  Json json = makeManifest(world);
  int64_t end = json["arenas"][0]["bytes"];
  for (Json &unit : json["units"])
    for (Json &line : unit["lines"]) {
      int64_t elements = line["shard_elements"];
      for (auto [name, dtype, size] : {std::tuple("momentum_buffer", "f32", 4),
                                       std::tuple("second", "bf16", 2)}) {
        line["states"].push_back({{"name", name},
                                  {"place",
                                   {{"arena", 0},
                                    {"offset", end},
                                    {"bytes", size * elements},
                                    {"dtype", dtype},
                                    {"shape", {elements}}}}});
        end += size * elements;
      }
      if (dim0)
        line["placement"] = "dim0";
    }
  if (dim0) { // behind a rank's rows of the parameter before
    json["parameters"][1]["offset"] = (VOCAB + world - 1) / world * WIDTH;
    json["parameters"][3]["offset"] = (WIDTH + world - 1) / world * VOCAB;
  }
  json["planned_peak_bytes"] = int64_t(json["planned_peak_bytes"]) + end -
                               int64_t(json["arenas"][0]["bytes"]);
  json["arenas"][0]["bytes"] = end;
  auto manifest = parseManifest(json.dump(), "m");
  EXPECT_TRUE(manifest.ok()) << manifest.status().message();
  return *manifest;
}

double test::valueOf(const std::string &plane, int64_t parameter,
                     int64_t element) {
  return double((plane.size() + 7 * parameter + element) % 251);
}

CheckpointIndex test::describe(const Manifest &manifest) {
  CheckpointIndex index;
  index.run = "0a1b2c3d";
  index.counters = {20, 480, 1};
  index.seed = ~uint64_t(0);
  index.schedule = {"cosine", 1e-3, 1e-4, 5, 100};
  index.data = {{"a.u16", "b.u16"}, 12345, 8, true, "2,1", "00ff00ff00ff00ff"};
  index.model = "model.onnx";
  index.vocabSize = manifest.vocabSize;
  index.optimizer = "sgd";
  index.mesh = manifest.mesh;
  index.placement = placementOf(manifest);
  index.parameters = describeParameters(manifest);
  return index;
}

std::string test::writeCheckpoint(const std::string &folder,
                                  const Manifest &manifest) {
  CheckpointIndex index = describe(manifest);
  EXPECT_EQ(makePartial(folder, 20).message(), "");
  for (int rank = 0; rank < manifest.worldSize(); ++rank) {
    Memory memory(manifest, rank);
    memory.forEach([](const std::string &, char *at, int32_t dtype,
                      double value) { lookupDType(dtype)->store(at, value); });
    std::vector<char> staging(1000); // several pieces, not all whole rows
    auto written = writeRankFile(partialFolder(folder, 20), rank, 20,
                                 partsOfRank(manifest, rank), staging.data(),
                                 int64_t(staging.size()), memory.reader());
    EXPECT_TRUE(written.ok()) << written.status().message();
    index.files.push_back(
        {rankFileName(rank), written->bytes, sumText(written->sum)});
  }
  auto file = NewFile::create(partialFolder(folder, 20) + "/" + kIndexName);
  std::string text = writeIndex(index);
  EXPECT_TRUE((*file)->append(text.data(), int64_t(text.size())).ok());
  EXPECT_TRUE((*file)->finish().ok());
  EXPECT_EQ(completePartial(folder, 20).message(), "");
  return stepFolder(folder, 20);
}

std::string test::problemOf(const std::string &checkpoint) {
  auto reader = CheckpointReader::open(checkpoint);
  if (!reader.ok())
    return reader.status().message();
  for (const CheckpointFile &file : reader->index().files)
    if (Status status = reader->checkSum(file, nullptr); !status.ok())
      return status.message();
  return "";
}
