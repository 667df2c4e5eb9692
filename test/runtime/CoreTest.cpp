//===- CoreTest.cpp - Element types, manifest, arenas, flight record ------===//

#include "TestProgram.h"
#include "core/Arena.h"
#include "core/DType.h"
#include "core/FlightRecord.h"
#include "core/Manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

using namespace fsdprt;
using namespace fsdprt::test;
using testing::HasSubstr;
using Json = nlohmann::json;

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

TEST(DType, HalfSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float value = halfToFloat(uint16_t(bits));
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(halfToFloat(floatToHalf(value))));
    else
      ASSERT_EQ(floatToHalf(value), bits);
  }
}

TEST(DType, Bfloat16SurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float value = bfloat16ToFloat(uint16_t(bits));
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(bfloat16ToFloat(floatToBfloat16(value))));
    else
      ASSERT_EQ(floatToBfloat16(value), bits);
  }
}

TEST(DType, RoundsToNearestEven) {
  EXPECT_EQ(floatToBfloat16(1.0f + 0x1p-8f), 0x3f80);     // tie: down to even
  EXPECT_EQ(floatToBfloat16(1.0f + 3 * 0x1p-8f), 0x3f82); // tie: up to even
  EXPECT_EQ(floatToHalf(1.0f + 0x1p-11f), 0x3c00);
  EXPECT_EQ(floatToHalf(1.0f + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(floatToHalf(65519.0f), 0x7bff);
  EXPECT_EQ(floatToHalf(65520.0f), 0x7c00); // infinite
  EXPECT_EQ(floatToHalf(0x1p-24f), 0x0001); // smallest subnormal
}

class DTypeSum : public testing::TestWithParam<int32_t> {};

TEST_P(DTypeSum, AddsInRankOrderAndMayOverwriteAPart) {
  const DTypeInfo *info = lookupDType(GetParam());
  ASSERT_NE(info, nullptr);
  ASSERT_NE(info->sumInOrder, nullptr);
  constexpr int numParts = 3;
  constexpr int64_t count = 5000; // more than one block
  std::vector<std::vector<char>> parts(numParts,
                                       std::vector<char>(count * info->size));
  for (int part = 0; part < numParts; ++part)
    for (int64_t i = 0; i < count; ++i)
      info->store(parts[part].data() + i * info->size,
                  double((part + 1) * (i % 7)));
  const void *pointers[numParts] = {parts[0].data(), parts[1].data(),
                                    parts[2].data()};
  info->sumInOrder(parts[1].data(), pointers, numParts, count);
  for (int64_t i = 0; i < count; ++i)
    ASSERT_EQ(info->load(parts[1].data() + i * info->size), 6.0 * (i % 7));
}

INSTANTIATE_TEST_SUITE_P(AllSummable, DTypeSum,
                         testing::Values(FSDPRT_F32, FSDPRT_F64, FSDPRT_BF16,
                                         FSDPRT_F16, FSDPRT_I64, FSDPRT_I32));

TEST(DType, Sums16BitFloatsInSinglePrecision) {
  // In bf16, 256 + 1 stays 256; the sum of three parts must not lose the ones.
  uint16_t big = floatToBfloat16(256), one = floatToBfloat16(1), sum;
  const void *parts[] = {&big, &one, &one};
  lookupDType(FSDPRT_BF16)->sumInOrder(&sum, parts, 3, 1);
  EXPECT_EQ(bfloat16ToFloat(sum), 258.0f);
}

//===----------------------------------------------------------------------===//
// Manifest
//===----------------------------------------------------------------------===//

TEST(Manifest, ReadsTheTestProgram) {
  auto manifest = parseManifest(makeManifest(2).dump(), "m");
  ASSERT_TRUE(manifest.ok()) << manifest.status().message();
  EXPECT_EQ(manifest->worldSize(), 2);
  EXPECT_EQ(manifest->meshString(), "shard=2");
  EXPECT_EQ(manifest->parameters[0].names.size(), 2u);
  EXPECT_EQ(manifest->parameters[4].data.size(), 16u);
  EXPECT_EQ(manifest->phaseThatRuns(Runs::Save)->symbol, "program_export");
}

struct BadManifest {
  const char *pointer; // what is changed
  Json value;
  const char *message;
};

/// For the test's name, which shall be the same in each build and run.
void PrintTo(const BadManifest &bad, std::ostream *to) {
  *to << bad.pointer << ": " << bad.message;
}

class ManifestErrors : public testing::TestWithParam<BadManifest> {};

TEST_P(ManifestErrors, AreNamed) {
  Json json = makeManifest(2);
  json[Json::json_pointer(GetParam().pointer)] = GetParam().value;
  auto manifest = parseManifest(json.dump(), "m");
  ASSERT_FALSE(manifest.ok());
  EXPECT_THAT(manifest.status().message(), HasSubstr(GetParam().message));
}

/// A state of one parameter, of one element.
static Json wholeState(int parameter) {
  return {{"name", "row_var"},
          {"place",
           {{"arena", 0},
            {"offset", 0},
            {"bytes", 4},
            {"dtype", "f32"},
            {"shape", Json::array({1})}}},
          {"parameter", parameter}};
}

INSTANTIATE_TEST_SUITE_P(
    All, ManifestErrors,
    testing::Values(
        BadManifest{"/abi", 99, "ABI 99"},
        BadManifest{"/format", "x", "not the manifest of a program"},
        BadManifest{"/planned_peak_bytes", 1, "planned_peak_bytes is 1"},
        BadManifest{"/mesh/0/size", 0, "invalid size"},
        BadManifest{"/target/kind", "tpu", "expected cpu or cuda"},
        BadManifest{"/target/kind", "cuda", "'arch'"},
        BadManifest{"/target",
                    {{"kind", "cuda"},
                     {"arch", "sm_90"},
                     {"kernels", {{{"file", "../k"}, {"form", "ptx"}}}}},
                    "'../k' is not a file of the program"},
        BadManifest{"/target",
                    {{"kind", "cuda"},
                     {"arch", "sm_90"},
                     {"kernels", {{{"file", "k"}, {"form", "ptx"}}}},
                     {"reference", "/r.so"}},
                    "reference: '/r.so' is not a file of the program"},
        BadManifest{"/target",
                    {{"kind", "cuda"},
                     {"arch", "sm_90"},
                     {"kernels", {{{"file", "k"}, {"form", "elf"}}}}},
                    "unknown form 'elf'"},
        BadManifest{"/communicators/1/name", "gather", "is there twice"},
        BadManifest{"/communicators/0/stream", 4, "does not exist"},
        BadManifest{"/communicators/0/stream", -1, "does not exist"},
        BadManifest{"/communicators/0/axes", Json::array(), "no axis"},
        BadManifest{"/communicators/0/axes/0", "rows",
                    "expected axes of the mesh, each once"},
        BadManifest{"/communicators/0/axes",
                    {"shard", "shard"},
                    "expected axes of the mesh, each once"},
        BadManifest{
            "/mesh",
            {{{"axis", "shard"}, {"size", 1}}, {{"axis", "rows"}, {"size", 2}}},
            "leaves out axis 'rows', expected a communicator of all "
            "ranks"},
        BadManifest{"/arenas/0/bytes", -5, "invalid size"},
        BadManifest{"/phases/0/runs", "often",
                    "expected one of once, count, gather, "
                    "microbatch"},
        BadManifest{"/inputs/0/role", "colour", "unknown role 'colour'"},
        BadManifest{"/inputs/0/place/offset", 1 << 30, "reach beyond"},
        BadManifest{"/inputs/0/place/arena", 7, "arena 7 does not exist"},
        BadManifest{"/inputs/0/place/dtype", "f8", "unknown dtype 'f8'"},
        BadManifest{"/results/loss/shape", Json({2}), "do not hold shape"},
        BadManifest{"/batch", "many", "'batch' has the wrong type"},
        BadManifest{"/labels_shift", "left", "expected data or model"},
        BadManifest{"/units/0/lines/0/shard_elements", 3, "do not hold"},
        BadManifest{"/units/0/lines/0/gathered",
                    Json{{"arena", 0},
                         {"offset", 0},
                         {"bytes", 4},
                         {"dtype", "f32"},
                         {"shape", Json::array({1})}},
                    "'gathered' has shape [1], expected shard_elements"},
        BadManifest{"/units/0/lines/0/states", Json::array({wholeState(2)}),
                    "state 'row_var' is that of parameter 2, which is not in "
                    "its line"},
        BadManifest{"/units/0/lines/0/states",
                    Json::array({wholeState(1), wholeState(1)}),
                    "state 'row_var' is there twice"},
        BadManifest{"/units/0/lines/0/states",
                    Json::array({wholeState(0), wholeState(1)}),
                    "state 'row_var' lies where another does"},
        BadManifest{"/units/0/lines/0/placement", "dim1",
                    "placement is 'dim1', expected flat or dim0"},
        BadManifest{"/units/0/lines/0/parameters/0", 77,
                    "parameter 77 does not exist"},
        BadManifest{"/units/0/lines/0/parameters/0", int64_t(1) << 32,
                    "parameter 4294967296 does not exist"},
        BadManifest{"/units/0/lines/0/parameters/0", -1,
                    "parameter -1 does not exist"},
        BadManifest{"/parameters/0/unit", 9, "unit 9"},
        BadManifest{"/parameters/0/offset", 1 << 28, "beyond the end"},
        BadManifest{"/token_rows", 0, "token_rows must be positive"},
        BadManifest{"/parameters/0/names", Json::array(), "no name"},
        BadManifest{"/parameters/0/init/kind", "magic", "initialiser 'magic'"},
        BadManifest{"/parameters/4/data/base64", "AA!=", "base64"},
        BadManifest{"/buffers/0/bytes", 1 << 30, "reach beyond"}));

TEST(Manifest, TruncatedIsNotACrash) {
  std::string text = makeManifest(2).dump();
  for (size_t length = 0; length < text.size(); length += 97)
    EXPECT_FALSE(parseManifest(text.substr(0, length), "m").ok());
}

TEST(Manifest, NamesAFolderThatIsNoProgram) {
  TemporaryFolder folder;
  EXPECT_THAT(loadManifest(folder.path).status().message(),
              HasSubstr("not a compiled program"));
  EXPECT_THAT(loadManifest(folder / "none").status().message(),
              HasSubstr("No such file"));
}

//===----------------------------------------------------------------------===//
// Arenas
//===----------------------------------------------------------------------===//

TEST(Arena, IsAlignedAndUsableToItsLastByte) {
  for (bool checked : {false, true}) {
    auto arena = Arena::create("a", 100000, checked);
    ASSERT_TRUE(arena.ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena->base()) % 64, 0u);
    std::memset(arena->base(), 1, arena->size());
    EXPECT_EQ(arena->base()[99999], 1);
  }
}

TEST(Arena, NanFillIsNanInEveryFloatType) {
  auto arena = Arena::create("a", 64, true);
  ASSERT_TRUE(arena.ok());
  arena->fillWithNan(0, 64);
  for (int32_t dtype : {FSDPRT_F32, FSDPRT_F64, FSDPRT_BF16, FSDPRT_F16})
    EXPECT_TRUE(std::isnan(lookupDType(dtype)->load(arena->base())));
}

TEST(ArenaDeathTest, CheckedFaultsRightBehindTheEnd) {
  auto arena = Arena::create("a", 128, true);
  ASSERT_TRUE(arena.ok());
  EXPECT_EXIT(*static_cast<volatile char *>(arena->base() + 128) = 1,
              testing::KilledBySignal(SIGSEGV), "");
}

TEST(Arena, ReservesMoreThanMemoryWithoutTouchingIt) {
  auto arena = Arena::create("a", int64_t(1) << 42, false);
  ASSERT_TRUE(arena.ok()) << arena.status().message();
  arena->base()[int64_t(1) << 41] = 1;
}

//===----------------------------------------------------------------------===//
// Flight record
//===----------------------------------------------------------------------===//

static const fsdprt_op sampleOp = {
    "all_gather", "blocks.3", "", nullptr, nullptr, 0, 0, 1, -1};

TEST(FlightRecord, NamesTheKilledRank) {
  auto file = FlightFile::createPrivate(2);
  ASSERT_TRUE(file.ok());
  pid_t child = ::fork();
  if (child == 0)
    ::_exit(0);
  ::waitpid(child, nullptr, 0);
  FlightSlot *slot = file->slotOfRank(1);
  slot->pid = child;
  enterPhase(slot, "step", 12);
  markOperation(slot, FlightMark(sampleOp, 5), OperationState::Started);
  slot->state = FlightState::Running;
  SignalSafeText text;
  ASSERT_TRUE(describeCulprit(*file, 0, false, text));
  EXPECT_STREQ(text.data(), "rank 1 was killed in operation 'all_gather' of "
                            "unit 'blocks.3' (phase 'step', step 13)");
}

TEST(FlightRecord, NamesTheRankThatIsFurthestBehind) {
  auto file = FlightFile::createPrivate(3);
  ASSERT_TRUE(file.ok());
  for (int rank = 0; rank < 3; ++rank) {
    FlightSlot *slot = file->slotOfRank(rank);
    slot->pid = ::getpid();
    slot->state = FlightState::Running;
    for (int i = 0; i < 10 * (3 - rank); ++i)
      markProgress(slot); // as of loading: says nothing of the step
    enterPhase(slot, "step", 0);
    markOperation(slot, FlightMark(sampleOp, 0), OperationState::Started);
    if (rank != 1)
      markOperation(slot, FlightMark(sampleOp, 0), OperationState::Ended);
  }
  FlightMark computing(sampleOp, 1);
  computing.stream = FSDPRT_STREAM_COMPUTE;
  markStream(file->slotOfRank(1), computing, OperationState::Started, 0);
  SignalSafeText text;
  ASSERT_TRUE(describeCulprit(*file, -1, true, text));
  EXPECT_STREQ(text.data(),
               "rank 1 makes no progress in operation 'all_gather' of unit "
               "'blocks.3' and operation 'all_gather' of unit 'blocks.3' "
               "(phase 'step', step 1)");
  markStream(file->slotOfRank(1), computing, OperationState::Ended, 1);
  SignalSafeText equal;
  ASSERT_TRUE(describeCulprit(*file, -1, true, equal));
  EXPECT_STREQ(equal.data(),
               "rank 0 makes no progress (phase 'step', step 1), as 2 others "
               "that are as far");
}

TEST(FlightRecord, BlamesNobodyWhoLivesOrGaveUp) {
  auto file = FlightFile::createPrivate(2);
  ASSERT_TRUE(file.ok());
  FlightSlot *slot = file->slotOfRank(1);
  slot->pid = ::getpid();
  slot->state = FlightState::Running;
  SignalSafeText text;
  EXPECT_FALSE(describeCulprit(*file, 0, false, text));
  slot->pid = 1 << 22; // no such process
  slot->state = FlightState::Failed;
  EXPECT_FALSE(describeCulprit(*file, 0, false, text));
}

TEST(FlightRecord, OnlyOneReports) {
  auto file = FlightFile::createPrivate(1);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->claimReport());
  EXPECT_FALSE(file->claimReport());
}

TEST(FlightRecord, KnowsWhereTheParametersAre) {
  auto file = FlightFile::createPrivate(2);
  ASSERT_TRUE(file.ok());
  SignalSafeText text;
  EXPECT_FALSE(describeSaved(*file, text));
  file->noteSaved("a.safetensors");
  file->noteSaved("b.safetensors"); // the first rank's word counts
  ASSERT_TRUE(describeSaved(*file, text));
  EXPECT_STREQ(text.data(), "; the parameters are saved in 'a.safetensors'");
}

TEST(FlightRecord, KnowsTheNewestCheckpoint) {
  auto file = FlightFile::createPrivate(2);
  ASSERT_TRUE(file.ok());
  file->noteCheckpoint("D", 4);
  file->noteCheckpoint("D", 8);
  SignalSafeText text;
  ASSERT_TRUE(describeSaved(*file, text));
  EXPECT_STREQ(text.data(), "; the newest checkpoint is 'D/step-8'");
  file->noteSaved("a.safetensors");
  SignalSafeText both;
  ASSERT_TRUE(describeSaved(*file, both));
  EXPECT_STREQ(both.data(), "; the parameters are saved in 'a.safetensors'; "
                            "the newest checkpoint is 'D/step-8'");
}

TEST(FlightRecord, HasFinishedWhenAllHave) {
  auto file = FlightFile::createPrivate(2);
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE(FlightFile().allFinished());
  file->slotOfRank(0)->state = FlightState::Finished;
  file->slotOfRank(1)->state = FlightState::Terminated;
  EXPECT_FALSE(file->allFinished());
  file->slotOfRank(1)->state = FlightState::Finished;
  EXPECT_TRUE(file->allFinished());
}

TEST(FlightRecord, NamesTheFirstThatWasTold) {
  auto file = FlightFile::createPrivate(2);
  ASSERT_TRUE(file.ok());
  enterPhase(file->slotOfRank(1), "step", 0);
  file->noteTold(1, SIGHUP);
  file->noteTold(0, SIGTERM);
  SignalSafeText text;
  ASSERT_TRUE(describeTold(*file, text));
  EXPECT_STREQ(text.data(),
               "rank 1 was told to end (SIGHUP) (phase 'step', step 1)");
}

TEST(FlightRecord, IsSharedByName) {
  std::string name = "/fsdprt-test-" + std::to_string(::getpid());
  auto file = FlightFile::createShared(name, 4, 2);
  ASSERT_TRUE(file.ok()) << file.status().message();
  auto other = FlightFile::open(name);
  FlightFile::unlink(name);
  ASSERT_TRUE(other.ok()) << other.status().message();
  enterPhase(file->slotOfRank(5), "step", 3);
  EXPECT_EQ(other->slotOfRank(5)->step, 3);
  EXPECT_EQ(other->slotOfRank(3), nullptr);
  EXPECT_FALSE(FlightFile::open(name).ok());
}
