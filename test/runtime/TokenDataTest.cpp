//===- TokenDataTest.cpp - Batches from a token file ----------------------===//

#include "io/TokenData.h"
#include "TestProgram.h"
#include "io/Permutation.h"
#include "io/TokenWidth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>

using namespace fsdprt;
using namespace fsdprt::test;
using testing::HasSubstr;
using Json = nlohmann::json;

static Manifest manifestOf(const Json &json) {
  auto manifest = parseManifest(json.dump(), "m");
  EXPECT_TRUE(manifest.ok()) << manifest.status().message();
  return *manifest;
}

template <typename T> static std::string bytesOf(const std::vector<T> &values) {
  return std::string(reinterpret_cast<const char *>(values.data()),
                     values.size() * sizeof(T));
}

TEST(Permutation, IsOne) {
  for (uint64_t size : {1, 2, 3, 5, 64, 65, 1000, 4097}) {
    Permutation order(size, 7);
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < size; ++i) {
      EXPECT_LT(order(i), size);
      seen.insert(order(i));
    }
    EXPECT_EQ(seen.size(), size);
  }
}

TEST(Permutation, DependsOnTheSeedAndShuffles) {
  Permutation a(1000, 1), b(1000, 2);
  int sameAsOther = 0, inPlace = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    sameAsOther += a(i) == b(i);
    inPlace += a(i) == i;
  }
  EXPECT_LT(sameAsOther, 20);
  EXPECT_LT(inPlace, 20);
}

static Expected<TokenData> openTokens(const Manifest &manifest,
                                      TokenData::Options options) {
  return TokenData::open(manifest, std::move(options));
}

static std::vector<int64_t>
rows(const Manifest &manifest, const TokenData &data, int input, int64_t step) {
  std::vector<int64_t> tokens(manifest.batch * manifest.seq);
  Status status = data.fill(manifest.inputs[input], step * data.rowsPerBatch(),
                            tokens.data());
  EXPECT_TRUE(status.ok()) << status.message();
  return tokens;
}

TEST(TokenData, WindowsInFileOrder) {
  TemporaryFolder folder;
  std::string text = makeText(1000);
  writeFile(folder / "t", text);
  Manifest manifest = manifestOf(makeManifest(2));
  auto data =
      openTokens(manifest, {{folder / "t"}, "bytes", {}, 0, false, 1, 2});
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->numWindows(), 124);
  EXPECT_EQ(data->rowsPerBatch(), 12);
  EXPECT_EQ(data->windowOf(20).first, 20 * 8);
  EXPECT_EQ(data->windowOf(138).first, (138 % 124) * 8);
  auto tokens = rows(manifest, *data, 0, 1),
       labels = rows(manifest, *data, 1, 1);
  // Row 1*12 + 1*6 + 2.
  EXPECT_EQ(tokens[2 * 8 + 3], text[163]);
  EXPECT_EQ(labels[2 * 8 + 3], text[164]);
}

TEST(TokenData, TheSameWindowsOnAnyWorld) {
  TemporaryFolder folder;
  writeFile(folder / "t", makeText(5000));
  for (int64_t step : {0, 3, 100}) {
    std::vector<int64_t> byWorld[4];
    for (int world : {1, 2, 3}) {
      Manifest manifest = manifestOf(makeManifest(world));
      for (int rank = 0; rank < world; ++rank) {
        auto data = openTokens(
            manifest, {{folder / "t"}, "bytes", {}, 3, true, rank, world});
        ASSERT_TRUE(data.ok());
        auto part = rows(manifest, *data, 0, step);
        byWorld[world].insert(byWorld[world].end(), part.begin(), part.end());
      }
    }
    EXPECT_EQ(byWorld[1], byWorld[2]);
    EXPECT_EQ(byWorld[1], byWorld[3]);
  }
}

TEST(TokenData, AModelThatShiftsGetsItsInputsAsLabels) {
  TemporaryFolder folder;
  writeFile(folder / "t", makeText(1000));
  Json json = makeManifest(1);
  json["labels_shift"] = "model";
  Manifest manifest = manifestOf(json);
  auto data =
      openTokens(manifest, {{folder / "t"}, "bytes", {}, 0, true, 0, 1});
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(rows(manifest, *data, 0, 2), rows(manifest, *data, 1, 2));
}

/// Tests that -100 in a labels file becomes the number that the program's loss
/// ignores, and that this number itself is no label of a file.
TEST(TokenData, MarksIgnoredLabelsAsTheLossDoes) {
  TemporaryFolder folder;
  std::vector<int32_t> labels(200);
  for (int i = 0; i < 200; ++i)
    labels[i] = i % 3 ? i : -100;
  writeFile(folder / "t.u16", bytesOf(std::vector<uint16_t>(200, 7)));
  writeFile(folder / "y.i32", bytesOf(labels));
  Json json = makeManifest(1);
  json["ignore_index"] = -1;
  Manifest manifest = manifestOf(json);
  auto read = [&](int row) {
    auto data = openTokens(
        manifest, {{folder / "t.u16"}, "", {folder / "y.i32"}, 0, false, 0, 1});
    std::vector<int64_t> to(manifest.batch * manifest.seq);
    Status status = data.ok() ? data->fill(manifest.inputs[1], 0, to.data())
                              : data.status();
    return std::pair(status.message(), to[row]);
  };
  EXPECT_EQ(read(5), std::pair(std::string(), int64_t(-1))); // of token 6
  EXPECT_EQ(read(6), std::pair(std::string(), int64_t(7)));
  labels[6] = -1;
  writeFile(folder / "y.i32", bytesOf(labels));
  EXPECT_THAT(read(5).first, HasSubstr("label -1 at position 6"));
}

TEST(TokenData, ReadsTokenFilesAndLabels) {
  TemporaryFolder folder;
  std::vector<uint16_t> tokens(200);
  std::vector<int32_t> labels(200);
  for (int i = 0; i < 200; ++i) {
    tokens[i] = uint16_t(i);
    labels[i] = i % 3 ? i : -100;
  }
  writeFile(folder / "t.u16", bytesOf(tokens));
  writeFile(folder / "t.u32",
            bytesOf(std::vector<uint32_t>(tokens.begin(), tokens.end())));
  writeFile(folder / "y.i32", bytesOf(labels));
  Manifest manifest = manifestOf(makeManifest(1));
  for (const char *name : {"t.u16", "t.u32"}) {
    auto data = openTokens(
        manifest, {{folder / name}, "", {folder / "y.i32"}, 0, false, 0, 1});
    ASSERT_TRUE(data.ok()) << data.status().message();
    EXPECT_EQ(rows(manifest, *data, 0, 0)[5], 5);
    EXPECT_EQ(rows(manifest, *data, 1, 0)[5], -100); // of token 6
    EXPECT_EQ(rows(manifest, *data, 1, 0)[6], 7);
  }
  // Labels are looked through at the start, as tokens are.
  labels[40] = 999;
  writeFile(folder / "y.i32", bytesOf(labels));
  auto data = openTokens(
      manifest, {{folder / "t.u16"}, "", {folder / "y.i32"}, 0, false, 0, 1});
  EXPECT_THAT(data.status().message(),
              testing::AllOf(HasSubstr("label 999 at position 40"),
                             HasSubstr("one of the model's 256 classes")));
}

/// Tests that token ids are bounded by the table they are looked up in and
/// labels by the classes, where one is wider than the other.
TEST(TokenData, TokensAndLabelsHaveBoundsOfTheirOwn) {
  TemporaryFolder folder;
  std::vector<uint16_t> tokens(200);
  for (int i = 0; i < 200; ++i)
    tokens[i] = uint16_t(i);
  std::vector<int32_t> labels(200, 2);
  writeFile(folder / "t.u16", bytesOf(tokens));
  writeFile(folder / "y.i32", bytesOf(labels));
  Json json = makeManifest(1);
  auto messageFor = [&](int64_t rows, int64_t classes, bool withLabels) {
    json["token_rows"] = rows;
    json["vocab_size"] = classes;
    std::vector<std::string> labels;
    if (withLabels)
      labels = {folder / "y.i32"};
    return openTokens(manifestOf(json),
                      {{folder / "t.u16"}, "", labels, 0, false, 0, 1})
        .status()
        .message();
  };
  EXPECT_EQ(messageFor(200, 3, true), "");
  EXPECT_EQ(messageFor(200, 200, false), "");
  EXPECT_THAT(messageFor(199, 3, true),
              HasSubstr("token 199 at position 199 (byte 398)"));
  EXPECT_THAT(messageFor(199, 300, false),
              HasSubstr("beyond the model's vocabulary of 199"));
  EXPECT_THAT(messageFor(200, 2, true), HasSubstr("label 2 at position 0"));
  // Without a labels file the next tokens are labels.
  EXPECT_THAT(messageFor(200, 3, false),
              testing::AllOf(HasSubstr("token 3 at position 3"),
                             HasSubstr("the model's 3 classes"),
                             HasSubstr("give --labels")));
  // The first token is nobody's label, unless the model shifts.
  tokens[0] = 150;
  std::fill(tokens.begin() + 1, tokens.end(), 1);
  writeFile(folder / "t.u16", bytesOf(tokens));
  EXPECT_EQ(messageFor(200, 3, false), "");
  json["labels_shift"] = "model";
  EXPECT_THAT(messageFor(200, 3, false), HasSubstr("token 150 at position 0"));
}

TEST(TokenData, BadInputIsNamed) {
  TemporaryFolder folder;
  Manifest manifest = manifestOf(makeManifest(1));
  auto messageFor = [&](TokenData::Options options) {
    return openTokens(manifest, std::move(options)).status().message();
  };
  writeFile(folder / "short", makeText(96));
  EXPECT_THAT(messageFor({{folder / "short"}, "bytes", {}, 0, true, 0, 1}),
              testing::AllOf(HasSubstr("shorter than one batch"),
                             HasSubstr("needed are 97")));
  writeFile(folder / "enough", makeText(97));
  EXPECT_EQ(messageFor({{folder / "enough"}, "bytes", {}, 0, true, 0, 1}), "");
  EXPECT_THAT(messageFor({{folder / "none"}, "bytes", {}, 0, true, 0, 1}),
              HasSubstr("No such file"));
  EXPECT_THAT(messageFor({{folder / "short"}, "", {}, 0, true, 0, 1}),
              HasSubstr("--tokenizer bytes"));
  EXPECT_THAT(messageFor({{folder / "short"}, "words", {}, 0, true, 0, 1}),
              HasSubstr("unknown tokenizer 'words'"));
  std::string tokens(2 * 200, 0);
  tokens[2 * 123 + 1] = 3; // 768
  writeFile(folder / "t.u16", tokens);
  EXPECT_THAT(messageFor({{folder / "t.u16"}, "", {}, 0, true, 0, 1}),
              HasSubstr("token 768 at position 123 (byte 246)"));
  writeFile(folder / "odd.u16", "abc");
  EXPECT_THAT(messageFor({{folder / "odd.u16"}, "", {}, 0, true, 0, 1}),
              HasSubstr("not a multiple of 2"));
  writeFile(folder / "y.i32", "1234");
  EXPECT_THAT(
      messageFor(
          {{folder / "enough"}, "bytes", {folder / "y.i32"}, 0, true, 0, 1}),
      HasSubstr("one int32 for each of the 97 tokens"));
  writeFile(folder / "y.i64", std::string(97 * 8, '\0'));
  EXPECT_THAT(
      messageFor(
          {{folder / "enough"}, "bytes", {folder / "y.i64"}, 0, true, 0, 1}),
      HasSubstr("looks like int64: write it as int32"));
  writeFile(folder / "n.u16", "\x93NUMPY" + std::string(1000, '\0'));
  EXPECT_THAT(messageFor({{folder / "n.u16"}, "", {}, 0, true, 0, 1}),
              HasSubstr(".npy file: name it .npy"));
  EXPECT_THAT(
      messageFor(
          {{folder / "enough"}, "bytes", {folder / "n.u16"}, 0, true, 0, 1}),
      HasSubstr(".npy file"));
}

TEST(TokenData, FilesThatAreCutMeanwhile) {
  TemporaryFolder folder;
  std::vector<int32_t> labels(97, 1);
  std::string whole(labels.size() * 4, 0);
  std::memcpy(whole.data(), labels.data(), whole.size());
  Manifest manifest = manifestOf(makeManifest(1));
  for (const char *cut : {"t", "y.i32"}) {
    writeFile(folder / "t", makeText(97));
    writeFile(folder / "y.i32", whole);
    auto data = openTokens(
        manifest,
        {{folder / "t"}, "bytes", {folder / "y.i32"}, 0, false, 0, 1});
    ASSERT_TRUE(data.ok()) << data.status().message();
    writeFile(folder / cut, "ab");
    Status status;
    std::vector<int64_t> to(manifest.batch * manifest.seq);
    for (const InputSpec &input : manifest.inputs)
      if (status.ok())
        status = data->fill(input, 0, to.data());
    EXPECT_THAT(status.message(),
                testing::AllOf(HasSubstr(folder / cut),
                               HasSubstr("was cut from"),
                               HasSubstr("to 2 bytes while it is read")));
  }
}

TEST(TokenWidth, SaysWhatAFileLooksLike) {
  std::vector<uint16_t> narrow(100);
  std::vector<uint32_t> wide(100);
  for (int i = 0; i < 100; ++i)
    narrow[i] = wide[i] = uint16_t(1 + i * 37 % 120);
  auto hint = [](const auto &ids, int width, int64_t vocabulary) {
    return widthHint(reinterpret_cast<const unsigned char *>(ids.data()),
                     int64_t(ids.size() * sizeof(ids[0])), width, vocabulary);
  };
  EXPECT_EQ(hint(narrow, 2, 131), "");
  EXPECT_EQ(hint(wide, 4, 131), "");
  EXPECT_THAT(hint(wide, 2, 131), HasSubstr("32-bit ids: name it .u32"));
  EXPECT_THAT(hint(narrow, 4, 131), HasSubstr("16-bit ids: name it .u16"));
  EXPECT_THAT(hint(narrow, 2, 100000), HasSubstr("does not fit into 16 bits"));
  EXPECT_EQ(hint(narrow, 2, 65536), "");
  std::vector<int64_t> widest(wide.begin(), wide.end());
  EXPECT_THAT(hint(widest, 2, 131), HasSubstr("64-bit ids, numpy's int64"));
  EXPECT_THAT(hint(widest, 4, 131), HasSubstr("64-bit ids, numpy's int64"));
  // Padding says nothing of the width.
  EXPECT_EQ(hint(std::vector<uint16_t>(1000), 2, 131), "");
  narrow.insert(narrow.begin(), 1000, 0);
  narrow[0] = 1;
  narrow.resize(1000);
  EXPECT_EQ(hint(narrow, 2, 131), "");
}
