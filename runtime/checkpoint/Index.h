//===- Index.h - What a checkpoint says of itself ---------------*- C++ -*-===//
//
// FORMAT.md says what each field means and how the file is written.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CHECKPOINT_INDEX_H
#define FSDPRT_CHECKPOINT_INDEX_H

#include "core/Manifest.h"
#include "core/Status.h"

#include <string>
#include <utility>
#include <vector>

namespace fsdprt {

/// The planes that are no state of the optimizer.
constexpr const char *kParameterPlane = "parameter";
constexpr const char *kBufferPlane = "buffer";
/// The state that is an average of the parameter.
constexpr const char *kAveragePlane = "ema";

constexpr const char *kIndexName = "checkpoint.json";
constexpr int64_t kCheckpointVersion = 1;

/// "rank-1.safetensors".
std::string rankFileName(int rank);

struct CheckpointState {
  std::string name;
  int32_t dtype = 0;
  int64_t elements = -1; // all of them in rank 0's file; -1: the parameter's
};

/// Elements [first, second).
using ElementRange = std::pair<int64_t, int64_t>;

struct CheckpointParameter {
  std::vector<std::string> names;
  bool isBuffer = false, isCompiled = false, trainable = true;
  int32_t dtype = 0;
  std::vector<int64_t> shape;
  std::vector<CheckpointState> states;
  /// By rank: elements [first, second) are in its file.
  std::vector<ElementRange> parts;

  int64_t numElements() const { return productOf(shape); }
  /// Null where `plane` is no state.
  const CheckpointState *findState(const std::string &plane) const;
  /// Elements of a plane, and which of them are in the file of `rank`.
  int64_t elementsOf(const std::string &plane) const;
  ElementRange partOf(const std::string &plane, size_t rank) const;
};

struct CheckpointFile {
  std::string name;
  int64_t bytes = 0;
  std::string sum;
};

struct CheckpointSchedule {
  std::string name;
  double lr = 0, minLr = 0;
  int64_t warmup = 0, steps = 0;
};

struct CheckpointData {
  std::vector<std::string> files;
  int64_t tokens = 0, seq = 0;
  bool shuffle = true;
  std::string weights; // "2,1": how the files are mixed
  std::string sum;
};

/// How far a run has come.
struct Counters {
  int64_t step = 0;  // updates made
  int64_t rows = 0;  // of data, consumed by all ranks
  int64_t epoch = 0; // of the data
};

struct CheckpointIndex {
  std::string run; // which all checkpoints of one have
  Counters counters;
  int64_t firstRow = 0; // that the run began with
  uint64_t seed = 0;
  CheckpointSchedule schedule;
  CheckpointData data;
  std::string model;
  int64_t vocabSize = 0;
  std::string optimizer; // name of the rule; "": nothing is trained
  std::vector<MeshAxis> mesh;
  std::string placement;
  std::vector<CheckpointParameter> parameters;
  std::vector<CheckpointFile> files; // by rank
};

/// The file's text, with its sum.
std::string writeIndex(const CheckpointIndex &index);

/// Checks all that later code relies on; `where` names the text in messages.
Expected<CheckpointIndex> parseIndex(const std::string &text,
                                     const std::string &where);

/// Of a checkpoint's folder.
Expected<CheckpointIndex> loadIndex(const std::string &folder);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_INDEX_H
