//===- ReportData.cpp - A planned program as the report's data ------------===//
#include "passes/Report/ReportData.h"
#include "dialects/Fsdp/Fsdp.h"
#include "dialects/Onnx/Onnx.h"
#include "passes/Plan/Buffers.h"
#include "passes/Plan/Simulate.h"
#include "passes/Plan/StreamClocks.h"
#include "passes/Report/MemoryTimeline.h"

using namespace mlir;
using namespace fsdp;
using llvm::json::Array;
using llvm::json::Object;

namespace {
class ReportBuilder {
public:
  ReportBuilder(ModuleOp module, const Target &target, const CostModel &cost)
      : module(module), target(target), cost(cost) {}

  FailureOr<Object> build() {
    FailureOr<DenseMap<int64_t, Lifetime>> computed = computeLifetimes(module);
    if (failed(computed))
      return failure();
    lives = std::move(*computed);
    report = Object{{"format", "fsdp-compile report"}};
    if (auto name = module->getAttrOfType<StringAttr>("onnx.model"))
      report["model"] = name.getValue();
    addMesh();
    addCost();
    addArenas();
    addParameters();
    addUnits();
    addBuffers();
    addPhases();
    return std::move(report);
  }

private:
  void addMesh() {
    Array mesh;
    for (auto unit : module.getOps<sharding::UnitOp>()) {
      auto lines = unit.getLines().getAsRange<sharding::LineAttr>();
      if (lines.empty())
        continue;
      sharding::MeshAttr of = (*lines.begin()).getLayout().getMesh();
      for (auto [name, size] : llvm::zip(of.getNames(), of.getSizes())) {
        mesh.push_back(Object{{"axis", name.getValue()}, {"size", size}});
        world *= size;
      }
      break;
    }
    report["mesh"] = std::move(mesh);
    report["world"] = world;
  }

  void addCost() {
    Object numbers;
    for (auto [name, number] : costModelNumbers(cost))
      numbers[name] = number;
    report["cost"] = std::move(numbers);
  }

  void addArenas() {
    report["arenas"] = describeArenas(module);
    report["peak_bytes"] = plannedPeak(module);
    report["accumulate_bytes"] = accumulateBytes(module);
  }

  void addParameters() {
    int64_t counts[2] = {}, elements[2] = {};
    for (auto parameter : module.getOps<onnx::ParameterOp>()) {
      if (parameter.getBuffer())
        continue;
      counts[parameter.getFrozen()] += 1;
      elements[parameter.getFrozen()] +=
          parameter.getTensorType().getNumElements();
    }
    report["parameters"] = Object{{"trainable", counts[0]},
                                  {"trainable_elements", elements[0]},
                                  {"frozen", counts[1]},
                                  {"frozen_elements", elements[1]}};
  }

  /// What the unit's lines say; what a phase does with them is added by
  /// dispatches.
  void addUnits() {
    llvm::StringMap<std::array<int64_t, kNumBufferKinds>> stored;
    for (auto buffer : module.getOps<rt::BufferOp>())
      if (buffer.getPhase().empty())
        stored[buffer.getUnit()][size_t(buffer.getKind())] += buffer.getBytes();
    Array units;
    for (auto unit : module.getOps<sharding::UnitOp>()) {
      int64_t parameters = 0, elements = 0, bytes = 0;
      for (auto line : unit.getLines().getAsRange<sharding::LineAttr>()) {
        sharding::LayoutAttr layout = line.getLayout();
        parameters += line.getParameters().size();
        elements += layout.getNumElements();
        bytes += layout.getNumElements() *
                 (layout.getElementType().getIntOrFloatBitWidth() / 8);
      }
      const auto &kinds = stored[unit.getSymName()];
      units.push_back(Object{
          {"name", unit.getSymName()},
          {"parameters", parameters},
          {"elements", elements},
          {"line_bytes", bytes},
          {"shard_bytes", kinds[size_t(rt::BufferKind::Shard)]},
          {"optimizer_bytes", kinds[size_t(rt::BufferKind::Optimizer)]}});
    }
    report["units"] = std::move(units);
  }

  void addBuffers() {
    Array kinds, buffers;
    for (size_t kind = 0; kind < kNumBufferKinds; ++kind)
      kinds.push_back(rt::stringifyBufferKind(rt::BufferKind(kind)));
    PhaseOrder order(module);
    for (auto buffer : module.getOps<rt::BufferOp>()) {
      Lifetime life = lives.lookup(buffer.getId());
      buffers.push_back(describeBuffer(buffer, order, life.first, life.last));
    }
    report["kinds"] = std::move(kinds);
    report["buffers"] = std::move(buffers);
  }

  void addPhases() {
    Array phases;
    for (auto phase : module.getOps<rt::PhaseOp>()) {
      Object object{{"name", phase.getSymName()},
                    {"runs", rt::stringifyRuns(phase.getRuns())}};
      addDispatches(phase, object);
      addMemory(phase, object);
      phases.push_back(std::move(object));
    }
    report["phases"] = std::move(phases);
  }

  void addDispatches(rt::PhaseOp phase, Object &object) {
    SmallVector<SimulatedDispatch> times =
        simulate(phase, target.computesAtIssue(), [&](Operation &op) {
          return estimateSeconds(cost, op, world);
        });
    DenseMap<Operation *, int64_t> places;
    Array dispatches;
    int64_t gathered = 0, reduced = 0;
    double computing = 0, communicating = 0;
    for (auto [op, time] : llvm::zip(phase.getBody().front(), times)) {
      places[&op] = dispatches.size();
      dispatches.push_back(describe(op, time, places));
      int64_t payload = payloadOf(op);
      (isa<rt::AllGatherOp>(op) ? gathered : reduced) += payload;
      if (isa<rt::AllGatherOp, rt::ReduceScatterOp, rt::AllReduceOp>(op))
        communicating += time.end - time.start;
      else if (streamOf(op) == size_t(rt::Stream::Compute) &&
               !isa<rt::JoinOp>(op))
        computing += time.end - time.start;
    }
    double seconds = times.empty() ? 0 : times.back().end;
    object["dispatches"] = std::move(dispatches);
    object["gathered_bytes"] = gathered;
    object["reduced_bytes"] = reduced;
    object["seconds"] = seconds;
    object["compute_seconds"] = computing;
    object["comm_seconds"] = communicating;
    object["exposed_seconds"] = seconds - computing;
  }

  static int64_t payloadOf(Operation &op) {
    if (auto gather = dyn_cast<rt::AllGatherOp>(op))
      return gather.getPayloadBytes();
    if (auto reduce = dyn_cast<rt::ReduceScatterOp>(op))
      return reduce.getPayloadBytes();
    return 0;
  }

  static Object describe(Operation &op, const SimulatedDispatch &time,
                         const DenseMap<Operation *, int64_t> &places) {
    Array waits;
    for (Value event : op.getOperands())
      waits.push_back(places.lookup(event.getDefiningOp()));
    auto text = [&](StringRef name) {
      auto attr = op.getAttrOfType<StringAttr>(name);
      return attr ? attr.getValue() : "";
    };
    return Object{{"name", text("name")},
                  {"op", op.getName().stripDialect()},
                  {"unit", text("unit")},
                  {"scope", text("scope")},
                  {"stream", int64_t(streamOf(op))},
                  {"bytes", argumentBytes(op)},
                  {"payload", payloadOf(op)},
                  {"waits", std::move(waits)},
                  {"issued", time.issued},
                  {"start", time.start},
                  {"end", time.end}};
  }

  void addMemory(rt::PhaseOp phase, Object &object) {
    Array live;
    int64_t peak = 0, at = 0;
    for (const LiveBytes &bytes : liveBytes(module, phase, lives)) {
      if (int64_t sum = sumOf(bytes); sum > peak) {
        peak = sum;
        at = live.size();
      }
      live.push_back(Array(bytes));
    }
    object["live"] = std::move(live);
    object["peak"] = Object{{"at", at}, {"bytes", peak}};
  }

  ModuleOp module;
  const Target &target;
  const CostModel &cost;
  int64_t world = 1;
  Object report;
  DenseMap<int64_t, Lifetime> lives;
};
} // namespace

FailureOr<Object> fsdp::buildReportData(ModuleOp module, const Target &target,
                                        const CostModel &cost) {
  return ReportBuilder(module, target, cost).build();
}
