//===- Overlaps.cpp - Arguments of one dispatch that share bytes ----------===//
#include "passes/Verify/Overlaps.h"

#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fsdp;

namespace {
/// An argument's bytes [begin, end) of an arena.
struct Range {
  int64_t arena, begin, end;
  bool writes;

  bool overlaps(const Range &other) const {
    return arena == other.arena && begin < other.end && other.begin < end;
  }
  bool equals(const Range &other) const {
    return arena == other.arena && begin == other.begin && end == other.end;
  }
};

class OverlapVerifier {
public:
  explicit OverlapVerifier(ModuleOp module) {
    for (auto buffer : module.getOps<rt::BufferOp>())
      buffers[buffer.getId()] = buffer;
    for (auto kernel : module.getOps<ModuleOp>())
      if (kernel.getSymName())
        kernels[kernel.getSymNameAttr()] = kernel;
  }

  LogicalResult verify(Operation *op) const {
    SmallVector<Range> ranges;
    for (auto arg :
         op->getAttrOfType<ArrayAttr>("args").getAsRange<rt::ArgAttr>())
      ranges.push_back(rangeOf(arg));
    for (size_t b = 0; b < ranges.size(); ++b)
      for (size_t a = 0; a < b; ++a)
        if ((ranges[a].writes || ranges[b].writes) &&
            ranges[a].overlaps(ranges[b]) && !isInPlace(op, ranges, a, b))
          return report(op, ranges, a, b);
    return success();
  }

private:
  Range rangeOf(rt::ArgAttr arg) const {
    rt::BufferOp buffer = buffers.lookup(arg.getBuffer());
    int64_t begin = int64_t(buffer.getOffset()) + arg.getBegin();
    return {int64_t(buffer.getArena()), begin, begin + arg.getBytes(),
            arg.getAccess() != rt::Access::Read};
  }

  /// Whether `op` launches a kernel that may write its result, argument `b`,
  /// over its operand, argument `a`.
  bool isInPlace(Operation *op, ArrayRef<Range> ranges, size_t a,
                 size_t b) const {
    auto launch = dyn_cast<rt::LaunchOp>(op);
    ModuleOp kernel =
        launch ? kernels.lookup(launch.getKernelAttr().getAttr()) : ModuleOp();
    auto pairs = kernel ? kernel->getAttrOfType<DenseI64ArrayAttr>(rt::kInPlace)
                        : DenseI64ArrayAttr();
    if (!pairs || !ranges[a].equals(ranges[b]))
      return false;
    for (size_t i = 0; i + 1 < size_t(pairs.size()); i += 2)
      if (pairs[i] == int64_t(a) && pairs[i + 1] == int64_t(b))
        return true;
    return false;
  }

  static LogicalResult report(Operation *op, ArrayRef<Range> ranges, size_t a,
                              size_t b) {
    int64_t begin = std::max(ranges[a].begin, ranges[b].begin);
    int64_t end = std::min(ranges[a].end, ranges[b].end);
    auto diagnostic = op->emitOpError("has bytes [")
                      << begin << ", " << end << ") of arena "
                      << ranges[a].arena << " in arguments " << a << " and "
                      << b << ", of which one is written, and ";
    if (auto launch = dyn_cast<rt::LaunchOp>(op))
      diagnostic << "kernel @" << launch.getKernel()
                 << " does not say that it computes these in place";
    else
      diagnostic << "only a launch may compute in place";
    return diagnostic << " (fsdprt_v10)";
  }

  DenseMap<int64_t, rt::BufferOp> buffers;
  DenseMap<StringAttr, ModuleOp> kernels;
};
} // namespace

LogicalResult fsdp::verifyNoOverlaps(rt::PhaseOp phase) {
  OverlapVerifier verifier(phase->getParentOfType<ModuleOp>());
  for (Operation &op : phase.getBody().front())
    if (failed(verifier.verify(&op)))
      return failure();
  return success();
}
