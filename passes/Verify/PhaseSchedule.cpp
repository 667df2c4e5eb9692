//===- PhaseSchedule.cpp - A phase on several ranks, as a schedule --------===//
#include "passes/Verify/PhaseSchedule.h"
#include "passes/Plan/Communicators.h"
#include "passes/Plan/StreamClocks.h"

#include <numeric>

using namespace mlir;
using namespace fsdp;
using schedule::Place;
using schedule::Violation;

//===----------------------------------------------------------------------===//
// From dispatches to the model
//===----------------------------------------------------------------------===//

std::optional<schedule::Collective> PhaseSchedule::collectiveOf(Operation *op,
                                                                size_t rank) {
  std::optional<int64_t> communicator = rt::communicatorOf(op);
  if (!communicator)
    return std::nullopt;
  Type dtype = op->getAttrOfType<TypeAttr>("dtype").getValue();
  std::string kind;
  llvm::raw_string_ostream(kind)
      << op->getName().stripDialect() << " of " << dtype;
  if (auto segments = op->getAttrOfType<DenseI64ArrayAttr>("segments"))
    llvm::raw_string_ostream(kind) << " in " << segments;
  int64_t bytes = op->getAttrOfType<IntegerAttr>("count").getInt() *
                  int64_t(llvm::divideCeil(dtype.getIntOrFloatBitWidth(), 8));
  StringRef unit = op->getAttrOfType<StringAttr>("unit").getValue();
  return schedule::Collective{groupOf(*communicator, rank), kind, unit.str(),
                              bytes};
}

/// The group of a communicator that `rank` is in.
size_t PhaseSchedule::groupOf(int64_t communicator, size_t rank) const {
  return groups.at({communicator, rank});
}

static std::vector<schedule::Touch>
touchesOf(Operation *op, const DenseMap<int64_t, rt::BufferOp> &buffers) {
  std::vector<schedule::Touch> touches;
  for (auto arg :
       op->getAttrOfType<ArrayAttr>("args").getAsRange<rt::ArgAttr>()) {
    rt::BufferOp buffer = buffers.lookup(arg.getBuffer());
    int64_t begin = int64_t(buffer.getOffset()) + arg.getBegin();
    touches.push_back({int64_t(buffer.getArena()), begin,
                       begin + arg.getBytes(),
                       arg.getAccess() != rt::Access::Read});
  }
  return touches;
}

/// Axes of the mesh that communicators go over, each once. More than four are
/// no mesh of today's machines: the others count as one coordinate.
static SmallVector<StringRef> axesOf(ModuleOp module) {
  constexpr size_t kMostAxes = 4;
  SmallVector<StringRef> axes;
  for (auto op : module.getOps<rt::CommunicatorOp>())
    for (StringRef axis : op.getAxes().getAsValueRange<StringAttr>())
      if (!llvm::is_contained(axes, axis) && axes.size() < kMostAxes)
        axes.push_back(axis);
  return axes;
}

PhaseSchedule::PhaseSchedule(rt::PhaseOp phase) {
  auto module = phase->getParentOfType<ModuleOp>();
  SmallVector<StringRef> axes = axesOf(module);
  // Rank r's coordinate in axis i is bit i of r. Two ranks also where nothing
  // is exchanged.
  size_t numRanks = size_t(1) << std::max<size_t>(1, axes.size());
  for (auto op : module.getOps<rt::CommunicatorOp>()) {
    size_t within = 0; // coordinates that differ in a group
    for (auto [i, axis] : llvm::enumerate(axes))
      if (llvm::is_contained(op.getAxes().getAsValueRange<StringAttr>(), axis))
        within |= size_t(1) << i;
    llvm::SmallDenseMap<size_t, size_t> known;
    for (size_t rank = 0; rank < numRanks; ++rank) {
      auto [group, isNew] =
          known.try_emplace(rank & ~within, model.communicators.size());
      if (isNew)
        model.communicators.emplace_back();
      model.communicators[group->second].push_back(rank);
      groups[{int64_t(op.getNumber()), rank}] = group->second;
    }
  }
  for (size_t rank = 0; rank < numRanks; ++rank)
    addRank(phase);
}

PhaseSchedule::PhaseSchedule(ArrayRef<rt::PhaseOp> phases) {
  std::vector<size_t> all(phases.size());
  std::iota(all.begin(), all.end(), 0);
  auto module = phases.front()->getParentOfType<ModuleOp>();
  for (auto op : module.getOps<rt::CommunicatorOp>()) {
    for (size_t rank : all)
      groups[{int64_t(op.getNumber()), rank}] = model.communicators.size();
    model.communicators.push_back(all);
  }
  for (rt::PhaseOp phase : phases)
    addRank(phase);
}

void PhaseSchedule::addRank(rt::PhaseOp phase) {
  DenseMap<int64_t, rt::BufferOp> buffers;
  for (auto buffer : phase->getParentOfType<ModuleOp>().getOps<rt::BufferOp>())
    buffers[buffer.getId()] = buffer;
  DenseMap<Operation *, size_t> numbers;
  std::array<std::optional<size_t>, kNumStreams> last;
  std::vector<schedule::Dispatch> dispatches;
  for (Operation &op : phase.getBody().front()) {
    schedule::Dispatch dispatch;
    dispatch.stream = streamOf(op);
    for (Value event : op.getOperands())
      dispatch.waits.push_back(numbers.at(event.getDefiningOp()));
    if (isa<rt::JoinOp>(op))
      for (std::optional<size_t> other : last)
        if (other)
          dispatch.waits.push_back(*other);
    dispatch.touches = touchesOf(&op, buffers);
    dispatch.collective = collectiveOf(&op, model.ranks.size());
    last[dispatch.stream] = numbers[&op] = dispatches.size();
    dispatches.push_back(std::move(dispatch));
  }
  model.ranks.push_back(std::move(dispatches));
  ops.emplace_back();
  for (Operation &op : phase.getBody().front())
    ops.back().push_back(&op);
}

//===----------------------------------------------------------------------===//
// From a violation to a message
//===----------------------------------------------------------------------===//

LogicalResult PhaseSchedule::verify() const {
  std::optional<Violation> found = schedule::findViolation(model);
  return found ? LogicalResult(report(*found)) : success();
}

InFlightDiagnostic PhaseSchedule::report(const Violation &found) const {
  switch (found.rule) {
  case schedule::Rule::Event:  // events are SSA values: MLIR rejects this
  case schedule::Rule::Stream: // the communicator has it: looked at before
    break;
  case schedule::Rule::Order:
    return reportOrder(found);
  case schedule::Rule::Cycle:
    return reportCycle(found);
  case schedule::Rule::Race:
    return reportRace(found);
  }
  llvm_unreachable("rules that hold of every plan that comes here");
}

/// What messages call the communicator of a collective.
static StringRef communicatorName(Operation *op) {
  auto module = op->getParentOfType<ModuleOp>();
  return communicatorsOf(module).lookup(*rt::communicatorOf(op)).getName();
}

/// The error stands where rank 0 is, if it takes part.
InFlightDiagnostic PhaseSchedule::reportOrder(const Violation &found) const {
  Place at = found.at;
  std::optional<Place> other = found.other;
  if (other && other->rank < at.rank)
    std::swap(at, *other);
  Operation *op = opAt(at);
  auto diagnostic = op->emitOpError("is what rank ")
                    << at.rank << " issues next on the " << communicatorName(op)
                    << " communicator, but ";
  if (!other) {
    diagnostic << "another rank issues no more there (fsdprt_v7)";
    return diagnostic;
  }
  diagnostic << "rank " << other->rank
             << " issues something else: all its members issue the same "
                "collectives in the same order (fsdprt_v7)";
  diagnostic.attachNote(opAt(*other)->getLoc())
      << "rank " << other->rank << " issues: " << *opAt(*other);
  return diagnostic;
}

InFlightDiagnostic PhaseSchedule::reportCycle(const Violation &found) const {
  auto diagnostic =
      opAt(found.at)->emitOpError("never ends: it waits for itself, through ")
      << found.cycle.size() << " dispatches (fsdprt_v8)";
  for (size_t i = 0; i < found.cycle.size(); ++i) {
    Place next = found.cycle[(i + 1) % found.cycle.size()];
    diagnostic.attachNote(opAt(found.cycle[i])->getLoc())
        << "on rank " << found.cycle[i].rank
        << " this waits for the next one, on rank " << next.rank << ": "
        << *opAt(found.cycle[i]);
  }
  return diagnostic;
}

/// The error stands at the dispatch that should wait.
InFlightDiagnostic PhaseSchedule::reportRace(const Violation &found) const {
  size_t early = found.other->dispatch, late = found.at.dispatch;
  if (early > late)
    std::swap(early, late);
  Operation *op = ops[found.at.rank][late];
  Operation *other = ops[found.at.rank][early];
  auto diagnostic = op->emitOpError("touches bytes [")
                    << found.touch.begin << ", " << found.touch.end
                    << ") of arena " << found.touch.arena
                    << " without an event that orders it with another "
                       "dispatch (fsdprt_v4)";
  diagnostic.attachNote(other->getLoc())
      << "the other dispatch, issued before: " << *other;
  return diagnostic;
}
