//===- TestProgram.cpp - Puts the hand-written program on disk ------------===//

#include "TestProgram.h"

#include "TestProgramLayout.h"
#include "abi/fsdprt.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/wait.h>

using namespace fsdprt::test;
using Json = nlohmann::json;

static std::string makeFolder() {
  std::string pattern =
      std::filesystem::temp_directory_path().string() + "/fsdprt-test-XXXXXX";
  return ::mkdtemp(pattern.data());
}

TemporaryFolder::TemporaryFolder() : path(makeFolder()) {}
TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

void fsdprt::test::writeFile(const std::string &path,
                             const std::string &content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string fsdprt::test::readFile(const std::string &path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream content;
  content << stream.rdbuf();
  return content.str();
}

std::string fsdprt::test::makeText(size_t length) {
  const char *words[] = {"the ",  "sea ",    "and ",    "a ",    "light ",
                         "over ", "water, ", "moved. ", "then ", "it "};
  std::string text;
  for (uint32_t state = 1; text.size() < length;) {
    state = state * 1664525u + 1013904223u;
    text += words[(state >> 16) % 10];
  }
  return text.substr(0, length);
}

static Json place(int arena, int64_t offset, const char *dtype,
                  std::vector<int64_t> shape) {
  int64_t bytes = std::string(dtype) == "i64" ? 8 : 4;
  for (int64_t size : shape)
    bytes *= size;
  return {{"arena", arena},
          {"offset", offset},
          {"bytes", bytes},
          {"dtype", dtype},
          {"shape", shape}};
}

static Json buffer(int id, const char *name, const char *unit, const char *kind,
                   int arena, int64_t offset, int64_t bytes, const char *phase,
                   int first, int last) {
  return {{"id", id},       {"name", name},   {"unit", unit},
          {"kind", kind},   {"arena", arena}, {"offset", offset},
          {"bytes", bytes}, {"phase", phase}, {"first", first},
          {"last", last}};
}

static Json makeBuffers(int WORLD) {
  const char *s = "step", *e = "export";
  return {
      buffer(0, "root.shard", "", "shard", 0, ROOT_SHARD_AT, ROOT_SHARD_BYTES,
             "", 0, 0),
      buffer(1, "head.shard", "head", "shard", 0, HEAD_SHARD_AT,
             HEAD_SHARD_BYTES, "", 0, 0),
      buffer(2, "lr", "", "scalar", 0, LR_AT, 4, "", 0, 0),
      buffer(3, "tokens", "", "input", 1, TOKENS_AT, TOKENS_BYTES, s, 0, 13),
      buffer(4, "labels", "", "input", 1, LABELS_AT, LABELS_BYTES, s, 0, 6),
      buffer(5, "count", "", "scalar", 1, COUNT_AT, 4, s, 4, 20),
      buffer(6, "loss", "", "scalar", 1, LOSS_AT, 4, s, 7, 20),
      buffer(7, "norm", "", "scalar", 1, NORM_AT, 4, s, 15, 20),
      buffer(8, "count.sums", "", "scratch", 1, SUMS_AT, SUMS_BYTES, s, 5, 5),
      buffer(9, "loss.sums", "", "scratch", 1, SUMS_AT, SUMS_BYTES, s, 8, 8),
      buffer(10, "norm.sums", "", "scratch", 1, SUMS_AT, SUMS_BYTES, s, 16, 16),
      buffer(11, "root.full", "", "gathered", 1, ROOT_FULL_AT, ROOT_FULL_BYTES,
             s, 0, 13),
      buffer(12, "head.full", "head", "gathered", 1, HEAD_FULL_AT,
             HEAD_FULL_BYTES, s, 1, 11),
      buffer(13, "hidden", "", "activation", 1, HIDDEN_AT, HIDDEN_BYTES, s, 2,
             9),
      buffer(14, "logits", "head", "activation", 1, LOGITS_AT, LOGITS_BYTES, s,
             3, 11),
      buffer(15, "head.grad", "head", "gradient", 1, HEAD_GRAD_AT,
             HEAD_GRAD_BYTES, s, 9, 12),
      buffer(16, "head.parts", "head", "scratch", 1, HEAD_SCRATCH_AT,
             HEAD_FULL_BYTES, s, 12, 12),
      buffer(17, "head.reduced", "head", "reduced", 1, HEAD_REDUCED_AT,
             HEAD_SHARD_BYTES, s, 12, 19),
      buffer(18, "hidden.grad", "", "activation", 1, HIDDEN_GRAD_AT,
             HIDDEN_BYTES, s, 11, 13),
      buffer(19, "root.reduced", "", "reduced", 1, ROOT_REDUCED_AT,
             ROOT_SHARD_BYTES, s, 14, 18),
      buffer(20, "root.parts", "", "scratch", 1, ROOT_SCRATCH_AT,
             ROOT_FULL_BYTES, s, 14, 14),
      buffer(21, "root.grad", "", "gradient", 1, ROOT_GRAD_AT, ROOT_GRAD_BYTES,
             s, 13, 14),
      buffer(22, "export.root", "", "gathered", 1, ROOT_FULL_AT,
             ROOT_FULL_BYTES, e, 0, 1),
      buffer(23, "export.head", "head", "gathered", 1, HEAD_FULL_AT,
             HEAD_FULL_BYTES, e, 2, 3),
      buffer(24, "losses", "head", "activation", 1, HEAD_REDUCED_AT, 4 * ROWS,
             s, 6, 7),
      buffer(25, "row", "head", "scratch", 1, HEAD_SCRATCH_AT, 4 * VOCAB * 2, s,
             6, 6)};
}

Json fsdprt::test::makeManifest(int WORLD) {
  Json normal = {{"kind", "normal"}, {"mean", 0.0}, {"std", 0.5}};
  auto parameter = [](std::vector<std::string> names, Json shape, int unit,
                      int64_t offset, Json init) -> Json {
    return {{"names", names},      {"dtype", "f32"},    {"shape", shape},
            {"kind", "parameter"}, {"trainable", true}, {"unit", unit},
            {"line", 0},           {"offset", offset},  {"init", init}};
  };
  auto line = [](int64_t c, int64_t elements, Json shard,
                 Json parameters) -> Json {
    return {{"dtype", "f32"},      {"trainable", true},
            {"shard_elements", c}, {"elements", elements},
            {"shard", shard},      {"parameters", parameters}};
  };
  Json bufferParameter = {{"names", {"model.position_ids"}},
                          {"dtype", "i64"},
                          {"shape", {2}},
                          {"kind", "buffer"},
                          {"trainable", false},
                          {"unit", -1},
                          {"line", 0},
                          {"offset", 0},
                          {"data", {{"base64", "AAAAAAAAAAABAAAAAAAAAA=="}}}};
  return {
      {"format", "fsdp-opt program"},
      {"abi", FSDPRT_ABI_VERSION},
      {"model", "test_program.c"},
      {"target",
       {{"kind", "cpu"},
        {"triple", "x86_64-unknown-linux-gnu"},
        {"cpu", "generic"},
        {"features", {"sse2", "sse4.1"}}}},
      {"mesh", {{{"axis", "shard"}, {"size", WORLD}}}},
      {"communicators",
       {{{"name", "gather"},
         {"axes", {"shard"}},
         {"stream", FSDPRT_STREAM_GATHER}},
        {{"name", "reduce"},
         {"axes", {"shard"}},
         {"stream", FSDPRT_STREAM_REDUCE}},
        {{"name", "scalar"},
         {"axes", {"shard"}},
         {"stream", FSDPRT_STREAM_COMPUTE}}}},
      {"arenas",
       {{{"name", "state"}, {"bytes", STATE_BYTES - 60}},
        {{"name", "work"}, {"bytes", WORK_BYTES}}}},
      {"planned_peak_bytes", STATE_BYTES - 60 + WORK_BYTES},
      {"phases",
       {{{"name", "init"}, {"symbol", "program_init"}, {"runs", "once"}},
        {{"name", "step"}, {"symbol", "program_step"}, {"runs", "microbatch"}},
        {{"name", "export"}, {"symbol", "program_export"}, {"runs", "save"}}}},
      {"inputs",
       {{{"name", "tokens"},
         {"role", "tokens"},
         {"place", place(1, TOKENS_AT, "i64", {BATCH, SEQ})}},
        {{"name", "labels"},
         {"role", "labels"},
         {"place", place(1, LABELS_AT, "i64", {BATCH, SEQ})}}}},
      {"scalars", {{"lr", place(0, LR_AT, "f32", {})}}},
      {"results",
       {{"loss", place(1, LOSS_AT, "f32", {})},
        {"grad_norm", place(1, NORM_AT, "f32", {})},
        {"valid_tokens", place(1, COUNT_AT, "f32", {})}}},
      {"batch", BATCH},
      {"seq", SEQ},
      {"labels_shift", "data"},
      {"ignore_index", -100},
      {"vocab_size", VOCAB},
      {"optimizer", {{"rule", "sgd"}}},
      {"units",
       {{{"name", ""},
         {"lines",
          {line(ROOT_C, ROOT_ELEMENTS, place(0, ROOT_SHARD_AT, "f32", {ROOT_C}),
                {0, 1})}}},
        {{"name", "head"},
         {"lines",
          {line(HEAD_C, HEAD_ELEMENTS, place(0, HEAD_SHARD_AT, "f32", {HEAD_C}),
                {2, 3})}}}}},
      {"parameters",
       {parameter({"model.embedding.weight", "model.tied.weight"},
                  {VOCAB, WIDTH}, 0, 0, normal),
        parameter({"model.gain"}, Json::array(), 0, GAIN_AT,
                  {{"kind", "constant"}, {"value", 1.0}}),
        parameter({"model.head.weight"}, {WIDTH, VOCAB}, 1, 0, normal),
        parameter({"model.head.bias"}, {VOCAB}, 1, BIAS_AT,
                  {{"kind", "constant"}, {"value", 0.0}}),
        bufferParameter}},
      {"buffers", makeBuffers(WORLD)}};
}

void fsdprt::test::writeProgram(const std::string &folder, const Json &manifest,
                                int world, const std::string &variant) {
  std::filesystem::create_directories(folder);
  writeFile(folder + "/manifest.json", manifest.dump(1));
  std::string name = "test_program_" +
                     (variant.empty() ? std::to_string(world) : variant) +
                     ".so";
  std::filesystem::copy_file(std::string(TEST_PROGRAM_FOLDER) + "/" + name,
                             folder + "/program.so",
                             std::filesystem::copy_options::overwrite_existing);
}

CommandResult fsdprt::test::runCommand(const std::string &command) {
  TemporaryFolder folder;
  auto start = std::chrono::steady_clock::now();
  std::string redirected = "( " + command + " ) > " + (folder / "out") +
                           " 2> " + (folder / "err") + " < /dev/null";
  int status = std::system(redirected.c_str());
  CommandResult result;
  result.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  result.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.output = readFile(folder / "out");
  result.errors = readFile(folder / "err");
  return result;
}
