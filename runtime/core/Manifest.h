//===- Manifest.h - What a compiled program says of itself ------*- C++ -*-===//
//
// The schema is abi/MANIFEST.md. Parsing checks everything that later code
// relies on (indices, places inside their arenas, lengths that agree), so that
// a corrupted manifest is one message and never a crash.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CORE_MANIFEST_H
#define FSDPRT_CORE_MANIFEST_H

#include "core/Status.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fsdprt {

struct Place {
  int32_t arena = 0;
  int64_t offset = 0; // bytes
  int64_t bytes = 0;
  int32_t dtype = 0;
  std::vector<int64_t> shape;
};

/// When a phase runs (abi/runs.def).
enum class Runs {
#define FSDPRT_RUNS(number, Name, word) Name = number,
#include "abi/runs.def"
};

/// Its word in manifests.
const char *wordOf(Runs runs);

struct ArenaSpec {
  std::string name;
  int64_t bytes = 0;
  std::optional<Runs> runs; // only phases that run so use it; none: all may
};

/// Ranks that exchange, and the stream of their collectives.
struct CommunicatorSpec {
  std::string name;
  std::vector<std::string> axes; // of the mesh, in its order or another
  int32_t stream = 0;
};

/// A file of the program with the code of its GPU kernels.
struct KernelFile {
  std::string file;
  std::string form; // "cubin", "ptx" or "simulated"
};

struct PhaseSpec {
  std::string name, symbol;
  Runs runs = Runs::Once;
};

struct InputSpec {
  std::string name;
  std::string role; // "tokens" or "labels"
  Place place;
};

/// What the optimizer keeps for each element of a shard, or of one parameter:
/// all of it, the same on every rank.
struct StateSpec {
  std::string name; // as the rule calls it: "exp_avg"
  Place place;
  int parameter = -1; // the one, by its number; -1: each element's

  bool isOf(int index) const { return parameter < 0 || parameter == index; }
};

/// Parameters of one dtype and trainability of a unit, one after the other.
/// Flat: rank r holds elements [rC, (r+1)C) of that line. Dim0: each rank has a
/// line of its own, with ceil(rows / N) rows of each parameter.
struct LineSpec {
  enum class Placement { Flat, Dim0 };

  int32_t dtype = 0;
  bool trainable = true;
  Placement placement = Placement::Flat;
  int64_t shardElements = 0; // C
  int64_t elements = 0;      // sum of the parameters' elements
  Place shard;
  /// What gathers read: the shard, or a copy of it in another type. None: of a
  /// program of before this was said.
  std::optional<Place> gathered;
  std::vector<StateSpec> states;
  std::vector<int> parameters;
};

struct UnitSpec {
  std::string name;
  std::vector<LineSpec> lines;
};

struct ParameterSpec {
  enum class Origin { None, File, Fill, Normal, Constant, Data };

  std::vector<std::string> names;
  int32_t dtype = 0;
  std::vector<int64_t> shape;
  bool isBuffer = false, trainable = true;
  int unit = -1, line = 0;
  int group = -1;     // of the optimizer's; -1: it is not trained
  int64_t offset = 0; // first element in the line (dim0: of a rank)

  Origin origin = Origin::None;
  std::string file; // Origin::File: where the bytes stand
  int64_t fileOffset = 0, fileBytes = 0;
  int64_t fileSize = -1; // of the whole file at compile time; -1: not known
  std::optional<uint64_t> fileSum; // sampledSum of the bytes at compile time
  bool transposed = false;
  double value = 0;            // Fill, Constant
  double mean = 0, stddev = 0; // Normal
  std::string data;            // Data, decoded

  int64_t numElements() const;
  /// Elements of ceil(rows / world) rows; a scalar is one row.
  int64_t elementsPerRank(int64_t world) const;
};

/// A rank's elements of a parameter, [begin, end) in the parameter's own order,
/// and where they stand in the rank's shard. None of them: begin >= end.
struct OwnedElements {
  int64_t begin = 0, end = 0, inShard = 0;
};

/// A buffer of the memory plan.
struct BufferSpec {
  int64_t id = 0;
  std::string name, unit, kind;
  std::string phase; // empty: lives over all phases
  std::string until; // a later phase that it lives into; empty: none
  int32_t arena = 0;
  int64_t offset = 0, bytes = 0;
  int64_t first = 0; // issue order in `phase`
  int64_t last = 0;  // issue order in the phase that it is last alive in
};

/// A phase's number and a place in its issue order.
using Moment = std::pair<int, int64_t>;

struct MeshAxis {
  std::string axis;
  int64_t size = 1;
};

/// What the optimizer is for those of a group of parameters, for reports.
struct OptimizerGroup {
  std::map<std::string, double> numbers; // `lr`: a multiple of the run's
};

struct Manifest {
  std::string folder; // where it was read
  std::string model;
  std::string optimizer; // name of the rule; "": nothing is trained
  std::vector<OptimizerGroup> groups;
  double averageDecay = 0;    // of the state `ema`; 0: there is none
  std::string target = "cpu"; // or "cuda"
  std::string triple, cpu;
  std::vector<std::string> features;
  std::string arch;                // cuda: of the GPUs
  std::vector<KernelFile> kernels; // cuda: best first
  std::string reference; // cuda: file with the CPU's code of them; "": none
  std::vector<MeshAxis> mesh;
  std::vector<CommunicatorSpec> communicators; // by number
  std::vector<ArenaSpec> arenas;
  int64_t plannedPeakBytes = 0; // of the arenas that all phases may use
  std::vector<PhaseSpec> phases;
  std::vector<InputSpec> inputs;
  std::map<std::string, Place> scalars, results;
  std::vector<std::string> dropped; // parameters that saved files lack
  int64_t batch = 0, seq = 0;
  int64_t vocabSize = 0; // classes: labels are below it
  int64_t tokenRows = 0; // of the tables that token ids are looked up in
  int64_t ignoreIndex = -100;
  bool labelsAreNextTokens = true; // labels_shift is "data"
  std::vector<UnitSpec> units;
  std::vector<ParameterSpec> parameters;
  std::vector<BufferSpec> buffers;

  /// Prepares for steps of `count` microbatches: drops what one alone does not
  /// need, or plans with what several do. Fails if the program cannot have
  /// several. To be called once.
  Status planMicrobatches(int64_t count);
  /// Ranks: the product of the mesh.
  int64_t worldSize() const;
  std::string meshString() const; // "shard=2"
  /// What `rank` owns of a parameter that is in a unit.
  OwnedElements ownedElements(const ParameterSpec &parameter, int rank) const;
  /// First element of a parameter in its gathered line.
  int64_t gatheredOffset(const ParameterSpec &parameter) const;
  const PhaseSpec *phaseThatRuns(Runs when) const;
  /// Place of the phase called `name` in the program's order; -1: none.
  int phaseNumber(const std::string &name) const;
  /// First and last operation that a buffer of some phase is used in.
  Moment beginOf(const BufferSpec &buffer) const;
  Moment endOf(const BufferSpec &buffer) const;
};

/// More elements or bytes than any file or memory has.
constexpr int64_t kMostElements = int64_t(1) << 46;

/// The product of a shape that comes from a file; none if a dim is negative or
/// the product is above kMostElements.
std::optional<int64_t> boundedProduct(const std::vector<int64_t> &shape);
int64_t productOf(const std::vector<int64_t> &shape);
std::string shapeString(const std::vector<int64_t> &shape);

/// Reads `folder`/manifest.json.
Expected<Manifest> loadManifest(const std::string &folder);
/// `where` names the text in messages.
Expected<Manifest> parseManifest(const std::string &text,
                                 const std::string &where);
Expected<std::string> decodeBase64(const std::string &text);

} // namespace fsdprt

#endif // FSDPRT_CORE_MANIFEST_H
