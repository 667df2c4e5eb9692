//===- LoaderTest.cpp - Is it what was compiled ---------------------------===//

#include "TestProgram.h"
#include "abi/SampledSum.h"
#include "core/DType.h"
#include "io/ParameterLoader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

using namespace fsdprt;
using namespace fsdprt::test;
using testing::HasSubstr;
using Json = nlohmann::json;

static Manifest manifestOf(const Json &json) {
  auto manifest = parseManifest(json.dump(), "m");
  EXPECT_TRUE(manifest.ok()) << manifest.status().message();
  return *manifest;
}

static std::string bytesOf(const std::vector<float> &values) {
  return {reinterpret_cast<const char *>(values.data()), 4 * values.size()};
}

/// Tests that a file of another model with the same size is refused, and a copy
/// of the same is not.
TEST(ParameterLoader, KnowsAnotherModelsFileByItsBytes) {
  TemporaryFolder folder;
  std::vector<float> values(2 + 12 * 256, 3.0f);
  auto write = [&] { writeFile(folder / "w", bytesOf(values)); };
  Json json = makeManifest(2);
  json["parameters"][2].erase("init");
  json["parameters"][2]["source"] = {
      {"file", folder / "w"}, {"offset", 8}, {"bytes", 4 * 12 * 256}};
  json["parameters"][2]["source"]["sum"] =
      int64_t(sampledSum(4 * 12 * 256, [&](int64_t at, int64_t n, char *to) {
        std::memcpy(to, reinterpret_cast<char *>(values.data()) + 8 + at, n);
      }));
  Manifest manifest = manifestOf(json);
  auto message = [&] {
    return ParameterLoader::create(manifest, {0, "", 0, true, nullptr})
        .status()
        .message();
  };
  write();
  EXPECT_EQ(message(), "");
  values[0] = 5; // before the parameter
  write();
  EXPECT_EQ(message(), "");
  values[2 + 1000] = 4;
  write();
  EXPECT_THAT(message(),
              testing::AllOf(HasSubstr("has other values of parameter "
                                       "'model.head.weight' than when the "
                                       "program was compiled"),
                             HasSubstr("give --weights")));
}

/// Tests that the sum of a large parameter sees its ends and its length.
TEST(ParameterLoader, SumsSamplesOfLargeParameters) {
  std::vector<char> bytes(1 << 20);
  int64_t read = 0;
  auto sumOf = [&](int64_t length) {
    return sampledSum(length, [&](int64_t at, int64_t count, char *to) {
      read += count;
      std::copy_n(bytes.begin() + at, count, to);
    });
  };
  uint64_t sum = sumOf(1 << 20);
  EXPECT_EQ(read, 64 * 4096);
  EXPECT_NE(sum, sumOf((1 << 20) - 1));
  for (size_t at : {size_t(0), bytes.size() - 1}) {
    bytes[at] = 1;
    EXPECT_NE(sum, sumOf(1 << 20)) << at;
    bytes[at] = 0;
  }
  EXPECT_NE(sumOf(0), sumOf(1));
}

/// Tests that a tied parameter has to have one value under all its names.
TEST(ParameterLoader, TiedNamesOfOneFileAgree) {
  TemporaryFolder folder;
  std::string path = folder / "w.safetensors";
  auto messageFor = [&](float other, std::vector<int64_t> shape) {
    std::vector<float> embedding(256 * 12, 1), tied(256 * 12, 1);
    tied.back() = other;
    std::vector<SafetensorsWriter::Tensor> tensors = {
        {"model.embedding.weight", FSDPRT_F32, {256, 12}},
        {"model.tied.weight", FSDPRT_F32, shape},
        {"model.gain", FSDPRT_F32, {}},
        {"model.head.weight", FSDPRT_F32, {12, 256}},
        {"model.head.bias", FSDPRT_F32, {256}}};
    auto writer = SafetensorsWriter::create(path, tensors);
    EXPECT_TRUE(writer.ok()) << writer.status().message();
    for (size_t i = 0; i < tensors.size(); ++i)
      EXPECT_TRUE((*writer)->write(i, (i == 1 ? tied : embedding).data()).ok());
    EXPECT_TRUE((*writer)->finish().ok());
    return ParameterLoader::create(manifestOf(makeManifest(1)),
                                   {0, path, 0, true, nullptr})
        .status()
        .message();
  };
  EXPECT_EQ(messageFor(1, {256, 12}), "");
  for (std::string message :
       {messageFor(2, {256, 12}), messageFor(1, {12, 256})})
    EXPECT_THAT(message, testing::AllOf(
                             HasSubstr("'model.embedding.weight' and "
                                       "'model.tied.weight' are one parameter"),
                             HasSubstr("differ in '" + path + "'")));
}
