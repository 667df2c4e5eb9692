//===- ProgramVerify.cpp - What the runtime needs of a program ------------===//
#include "dialects/Fsdp/Fsdp.h"
#include "passes/Plan/Buffers.h"
#include "passes/Plan/Communicators.h"
#include "passes/Plan/Kernels.h"
#include "passes/Support/Roles.h"
#include "passes/Verify/Passes.h"
#include "passes/Verify/StatesVerify.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MathExtras.h"

namespace fsdp {
#define GEN_PASS_DEF_PROGRAMVERIFY
#include "passes/Verify/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
struct ProgramVerify : public fsdp::impl::ProgramVerifyBase<ProgramVerify> {
  void runOnOperation() override {
    if (failed(verifyPhases()) || failed(verifyRoles()) ||
        failed(verifyKernels()) || failed(verifyAlignment()) ||
        failed(verifyLines()) || failed(verifyArenas()) ||
        failed(verifyParameters()) || failed(verifyCommunicators()) ||
        failed(verifyScratch()) || failed(verifyStates(getOperation())))
      signalPassFailure();
  }

  LogicalResult verifyPhases() {
    llvm::SmallDenseSet<unsigned> seen;
    for (auto phase : getOperation().getOps<rt::PhaseOp>())
      seen.insert(unsigned(phase.getRuns()));
    for (rt::Runs runs : {rt::Runs::Once, rt::Runs::Microbatch})
      if (!seen.contains(unsigned(runs)))
        return getOperation().emitError("is no planned program: it has no "
                                        "phase that runs '")
               << rt::stringifyRuns(runs)
               << "' (program_v1); fsdp-compile --emit-ir writes one";
    return success();
  }

  LogicalResult verifyRoles() {
    bool hasTokens = false;
    llvm::StringSet<> seen;
    for (auto buffer : getOperation().getOps<rt::BufferOp>()) {
      auto role = buffer->getAttrOfType<StringAttr>(kBufferRole);
      if (!role)
        continue;
      auto typeAttr = buffer->getAttrOfType<TypeAttr>(kBufferType);
      auto type = typeAttr ? dyn_cast<RankedTensorType>(typeAttr.getValue())
                           : RankedTensorType();
      if (!kindOfRole(role) || !type)
        return buffer.emitOpError("has role '")
               << role.getValue() << "' and " << (type ? "a" : "no")
               << " tensor type, expected a role that the runtime fills or "
                  "reads ("
               << llvm::join(ArrayRef(knownRoles), ", ")
               << ") and a type (program_v2)";
      if (failed(verifyRole(buffer, role.getValue(), type, seen)))
        return failure();
      hasTokens |= role == "tokens" && type.getRank() == 2;
    }
    if (!hasTokens)
      return getOperation().emitError(
          "no buffer has the role of tokens [batch, seq] (program_v2)");
    return success();
  }

  /// The runtime fills or reads the whole buffer as one tensor.
  static LogicalResult verifyRole(rt::BufferOp buffer, StringRef role,
                                  RankedTensorType type,
                                  llvm::StringSet<> &seen) {
    if (!type.hasStaticShape() || !rt::isStoredType(type.getElementType()) ||
        byteSize(type) != int64_t(buffer.getBytes()) ||
        !buffer.getPhase().empty())
      return buffer.emitOpError("of role '")
             << role << "' has " << buffer.getBytes() << " bytes of phase '"
             << buffer.getPhase() << "' for a " << type
             << ", expected those of its elements and no phase (program_v2)";
    if (!seen.insert(role).second)
      return buffer.emitOpError("has role '")
             << role << "' as another buffer has (program_v2)";
    return success();
  }

  /// A buffer's arena is a place in the manifest's list of them.
  LogicalResult verifyArenas() {
    int64_t next = 0;
    for (auto arena : getOperation().getOps<rt::ArenaOp>())
      if (int64_t(arena.getIndex()) != next++)
        return arena.emitOpError("has number ")
               << arena.getIndex() << ", expected its place among the arenas, "
               << next - 1 << " (program_v5)";
    return success();
  }

  /// Such data becomes text of the manifest.
  LogicalResult verifyParameters() {
    constexpr int64_t kMost = int64_t(1) << 28;
    for (auto parameter : getOperation().getOps<onnx::ParameterOp>()) {
      if (!parameter.getData())
        continue;
      auto data = dyn_cast<DenseElementsAttr>(*parameter.getData());
      if (!data || data.getNumElements() > kMost)
        return parameter.emitOpError("has data of type ")
               << parameter.getType() << ", expected it dense, of at most "
               << kMost << " elements (program_v6)";
    }
    return success();
  }

  /// A collective's communicator is a place in the manifest's list of them, and
  /// goes over axes of the mesh.
  LogicalResult verifyCommunicators() {
    sharding::MeshAttr mesh;
    for (auto unit : getOperation().getOps<sharding::UnitOp>())
      for (auto line : unit.getLines().getAsRange<sharding::LineAttr>())
        mesh = line.getLayout().getMesh();
    int64_t next = 0;
    llvm::StringSet<> names;
    for (auto op : getOperation().getOps<rt::CommunicatorOp>()) {
      if (int64_t(op.getNumber()) != next++)
        return op.emitOpError("has number ")
               << op.getNumber()
               << ", expected its place among the communicators, " << next - 1
               << " (program_v5)";
      if (!names.insert(op.getName()).second)
        return op.emitOpError("has name '")
               << op.getName() << "' as another one has (program_v5)";
      for (auto [axis, size] : llvm::zip_equal(
               op.getAxes().getAsValueRange<StringAttr>(), op.getSizes()))
        if (mesh.getSize(axis) != size)
          return op.emitOpError("goes over axis '")
                 << axis << "' of " << size << " ranks, expected one of "
                 << mesh << " (program_v8)";
    }
    return success();
  }

  /// What sums over ranks has the scratch that the target asks for, and no
  /// other.
  LogicalResult verifyScratch() {
    FailureOr<std::unique_ptr<Target>> target = getTarget(getOperation());
    if (failed(target))
      return failure();
    DenseMap<int64_t, rt::CommunicatorOp> communicators =
        communicatorsOf(getOperation());
    WalkResult result = getOperation().walk([&](Operation *op) {
      if (!isa<rt::AllReduceOp, rt::ReduceScatterOp>(op))
        return WalkResult::advance();
      auto args = op->getAttrOfType<ArrayAttr>("args");
      int64_t all = cast<rt::ArgAttr>(args[0]).getBytes(), have = 0;
      auto communicator = communicators.lookup(*rt::communicatorOf(op));
      if (isa<rt::AllReduceOp>(op) && communicator && // a line is for all
          llvm::MulOverflow(all, communicator.getNumRanks(), all))
        all = std::numeric_limits<int64_t>::max();
      auto last = cast<rt::ArgAttr>(args[args.size() - 1]);
      if (last.getAccess() == rt::Access::Scratch)
        have = last.getBytes();
      int64_t wanted = (*target)->getSumScratchBytes(all);
      if (wanted ? have >= wanted : have == 0)
        return WalkResult::advance();
      op->emitOpError("has ")
          << have << " bytes of scratch, expected " << wanted << " to sum "
          << all << " bytes of all ranks (program_v7)";
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  LogicalResult verifyKernels() {
    llvm::DenseMap<StringAttr, train::KernelOp> kernels;
    for (auto own : getOperation().getOps<ModuleOp>()) {
      train::KernelOp kernel = kernelIn(own);
      if (!kernel)
        return own.emitOpError("holds no kernel, expected a function of its "
                               "name that returns the results of one "
                               "train.kernel of its arguments (program_v3)");
      kernels[own.getSymNameAttr()] = kernel;
    }
    WalkResult result = getOperation().walk([&](rt::LaunchOp launch) {
      train::KernelOp kernel = kernels.lookup(launch.getKernelAttr().getAttr());
      if (kernel)
        return failed(verifyLaunch(launch, kernel)) ? WalkResult::interrupt()
                                                    : WalkResult::advance();
      launch.emitOpError("launches kernel @")
          << launch.getKernel() << ", which the program does not have "
          << "(program_v3)";
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  /// The arguments of a launch are the kernel's operands and results.
  static LogicalResult verifyLaunch(rt::LaunchOp launch,
                                    train::KernelOp kernel) {
    SmallVector<Type> types(kernel->getOperandTypes());
    size_t numOperands = types.size();
    llvm::append_range(types, kernel->getResultTypes());
    size_t numArgs =
        launch.getArgs().size() - (launch.getScratchBytes() ? 1 : 0);
    if (numArgs != types.size())
      return launch.emitOpError("has ")
             << numArgs << " arguments for the " << types.size()
             << " operands and results of @" << launch.getKernel()
             << " (program_v9)";
    for (auto [i, type] : llvm::enumerate(types)) {
      auto arg = cast<rt::ArgAttr>(launch.getArgs()[i]);
      bool isUsed = i < numOperands
                        ? arg.getAccess() == rt::Access::Read ||
                              arg.getAccess() == rt::Access::ReadWrite
                        : arg.getAccess() == rt::Access::Write ||
                              arg.getAccess() == rt::Access::ReadWrite;
      if (arg.getBytes() != byteSize(type) || !isUsed)
        return launch.emitOpError("argument ")
               << i << ", " << arg << ", is "
               << (i < numOperands ? "an operand" : "a result") << " of type "
               << type << " of @" << launch.getKernel()
               << ", expected its bytes and use (program_v9)";
    }
    return success();
  }

  /// Kernels of a GPU move several elements at once from where an argument
  /// begins.
  LogicalResult verifyAlignment() {
    FailureOr<std::unique_ptr<Target>> target = getTarget(getOperation());
    if (failed(target))
      return failure();
    int64_t wanted = (*target)->getArgumentAlignment();
    DenseMap<int64_t, int64_t> offsets;
    for (auto buffer : getOperation().getOps<rt::BufferOp>())
      offsets[buffer.getId()] = buffer.getOffset();
    WalkResult result = getOperation().walk([&](rt::LaunchOp launch) {
      for (auto [i, arg] :
           llvm::enumerate(launch.getArgs().getAsRange<rt::ArgAttr>())) {
        int64_t begin = offsets.lookup(arg.getBuffer()) + arg.getBegin();
        if (begin % wanted == 0)
          continue;
        launch.emitOpError("argument ")
            << i << ", " << arg << ", begins at byte " << begin
            << " of its arena, expected a multiple of " << wanted
            << " (program_v9)";
        return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  /// The runtime finds a line's shard by what loads it.
  LogicalResult verifyLines() {
    bool any = false;
    for (auto [i, unit] :
         llvm::enumerate(getOperation().getOps<sharding::UnitOp>()))
      for (auto [j, line] :
           llvm::enumerate(unit.getLines().getAsRange<sharding::LineAttr>())) {
        any = true;
        if (failed(verifyLine(unit, i, j, line)))
          return failure();
      }
    if (!any)
      return getOperation().emitError("no unit has parameters (program_v4)");
    WalkResult result = getOperation().walk([&](Operation *op) {
      return isa<rt::LoadOp, rt::StoreOp>(op) && failed(verifyUnit(op))
                 ? WalkResult::interrupt()
                 : WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  LogicalResult verifyLine(sharding::UnitOp unit, int64_t unitIndex,
                           int64_t lineIndex, sharding::LineAttr line) {
    SmallVector<rt::LoadOp> loads;
    getOperation().walk([&](rt::LoadOp load) {
      if (int64_t(load.getUnitIndex()) == unitIndex &&
          int64_t(load.getLine()) == lineIndex)
        loads.push_back(load);
    });
    if (loads.size() != 1)
      return unit.emitOpError("has line ")
             << lineIndex << ", which is loaded " << loads.size()
             << " times, expected once (program_v4)";
    sharding::LayoutAttr layout = line.getLayout();
    int64_t bytes =
        layout.getShardElements() * rt::bytesOf(layout.getElementType());
    int64_t loaded = cast<rt::ArgAttr>(loads[0].getArgs()[0]).getBytes();
    if (loaded != bytes)
      return loads[0].emitOpError("fills ")
             << loaded << " bytes, expected the " << bytes
             << " of the line's shard (program_v4)";
    return success();
  }

  /// The unit that a load or a store names is the one that it numbers.
  LogicalResult verifyUnit(Operation *op) {
    SmallVector<sharding::UnitOp> units(
        getOperation().getOps<sharding::UnitOp>());
    int64_t index = op->getAttrOfType<IntegerAttr>("unit_index").getInt();
    int64_t line = op->getAttrOfType<IntegerAttr>("line").getInt();
    StringRef name = op->getAttrOfType<StringAttr>("unit").getValue();
    if (index < int64_t(units.size()) && units[index].getSymName() == name &&
        line < int64_t(units[index].getLines().size()))
      return success();
    return op->emitOpError("names line ")
           << line << " of unit " << index << ", '" << name
           << "', which the program does not have (program_v4)";
  }
};
} // namespace
