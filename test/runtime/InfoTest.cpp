//===- InfoTest.cpp - What a program is -----------------------------------===//

#include "trainer/Info.h"
#include "abi/fsdprt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace fsdprt;
using testing::HasSubstr;

/// A root and three layers, of which the last one is frozen.
static Manifest makeManifest() {
  Manifest manifest;
  manifest.model = "m.onnx";
  manifest.triple = "x86_64-linux-gnu";
  manifest.cpu = "generic";
  manifest.mesh = {{"replicate", 1}, {"shard", 2}};
  manifest.batch = 3;
  manifest.seq = 512;
  manifest.vocabSize = 50257;
  manifest.tokenRows = 50304;
  manifest.phases = {{"init", "i", Runs::Once},
                     {"step", "s", Runs::Microbatch}};
  for (int unit = 0; unit < 4; ++unit) {
    LineSpec spec;
    spec.dtype = unit ? FSDPRT_BF16 : FSDPRT_F32;
    spec.elements = unit ? 2048 : 1000000;
    spec.shardElements = spec.elements / 2;
    spec.trainable = unit != 3;
    spec.parameters = {unit};
    manifest.units.push_back(
        {unit ? "h." + std::to_string(unit - 1) : std::string(), {spec}});
    ParameterSpec parameter;
    parameter.names = {"p" + std::to_string(unit)};
    parameter.dtype = spec.dtype;
    parameter.shape = {spec.elements};
    parameter.trainable = spec.trainable;
    parameter.unit = unit;
    manifest.parameters.push_back(parameter);
  }
  manifest.arenas = {{"state", 2048}, {"work", 4096}};
  manifest.plannedPeakBytes = 6144;
  auto add = [&](const char *kind, const char *phase, int64_t bytes,
                 int64_t first, int64_t last) {
    BufferSpec buffer;
    buffer.kind = kind;
    buffer.phase = phase;
    buffer.bytes = bytes;
    buffer.first = first;
    buffer.last = last;
    manifest.buffers.push_back(buffer);
  };
  add("shard", "", 2048, 0, 0);
  add("gathered", "init", 2000, 0, 5);
  add("gathered", "step", 1024, 0, 2);
  add("activation", "step", 1024, 1, 4);
  add("activation", "step", 2048, 2, 2);
  add("gradient", "step", 3000, 3, 4);
  add("scratch", "step", 10, 6, 6);
  return manifest;
}

TEST(Info, SaysWhatAProgramIs) {
  EXPECT_EQ(describeProgram(makeManifest()), R"(model         m.onnx
target        cpu, x86_64-linux-gnu, generic
mesh          replicate=1,shard=2 (2 ranks)
batch         3 rows of 512 tokens a rank: 3,072 tokens a step
vocabulary    50,257 classes, token ids below 50,304
phases        init (once), step (microbatch)
optimizer     none
parameters    4 of 1,006,144 elements, 3.8 MiB of bf16, f32; frozen 2,048 elements
units         4
  (root): 1 parameter of 1,000,000 elements, f32, flat, 1.9 MiB a rank
  h.0 to h.1, 2 alike, each: 1 parameter of 2,048 elements, bf16, flat, 2.0 KiB a rank
  h.2: 1 parameter of 2,048 elements, bf16, frozen, flat, 2.0 KiB a rank
planned peak  6.0 KiB (6,144 bytes) a rank: state 2.0 KiB, work 4.0 KiB
  buffers in use at operation 3 of 7 of phase step:
    activation    3.0 KiB
    shard         2.0 KiB
    gathered      1.0 KiB
checkpoints   4.0 MiB more a rank, through which its file is copied, where they are taken
)");
}

TEST(Info, OfAProgramForGpus) {
  Manifest manifest = makeManifest();
  manifest.target = "cuda";
  manifest.arch = "sm_90";
  EXPECT_THAT(describeProgram(manifest),
              HasSubstr("target        cuda, sm_90\n"));
}
