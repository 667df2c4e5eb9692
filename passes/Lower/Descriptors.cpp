//===- Descriptors.cpp - fsdprt dispatches as LLVM constants --------------===//
//
// Fields are named as in runtime/abi/fsdprt.h and go where that header's
// compiler has them: their order here is no matter, and one that is missing is
// an error.
//
//===----------------------------------------------------------------------===//
#include "passes/Lower/Descriptors.h"
#include "passes/Support/DTypes.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "runtime/abi/fsdprt.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/IR/Constants.h"

#include <cstddef>

using namespace mlir;
using namespace fsdp;

namespace {
/// A member of a struct of the header, where it is and what it holds.
struct Field {
  size_t offset, size;
  llvm::Constant *value;
};
} // namespace

#define FIELD(DESC, MEMBER, VALUE)                                             \
  Field { offsetof(DESC, MEMBER), sizeof(DESC::MEMBER), VALUE }

/// A struct of `size` bytes, in the order of offsets, without a gap.
static llvm::Constant *structOf(size_t size, SmallVector<Field> fields) {
  llvm::sort(fields, [](const Field &a, const Field &b) {
    return a.offset < b.offset;
  });
  SmallVector<llvm::Constant *> values;
  size_t end = 0;
  for (const Field &field : fields) {
    if (field.offset != end)
      llvm::report_fatal_error("a descriptor's bytes before " +
                               Twine(field.offset) +
                               " are not those of one "
                               "field each");
    end += field.size;
    values.push_back(field.value);
  }
  if (end != size)
    llvm::report_fatal_error("a descriptor of " + Twine(size) +
                             " bytes has fields for " + Twine(end));
  return llvm::ConstantStruct::getAnon(values);
}

llvm::Constant *DescriptorBuilder::i32(int64_t value) {
  return llvm::ConstantInt::get(llvm::Type::getInt32Ty(module.getContext()),
                                value, /*isSigned=*/true);
}

llvm::Constant *DescriptorBuilder::i64(int64_t value) {
  return llvm::ConstantInt::get(llvm::Type::getInt64Ty(module.getContext()),
                                value, /*isSigned=*/true);
}

llvm::Constant *DescriptorBuilder::null() {
  return llvm::ConstantPointerNull::get(
      llvm::PointerType::getUnqual(module.getContext()));
}

llvm::Constant *DescriptorBuilder::i64Array(ArrayRef<int64_t> values,
                                            size_t size) {
  SmallVector<uint64_t> padded(values.begin(), values.end());
  padded.resize(size);
  return llvm::ConstantDataArray::get(module.getContext(), padded);
}

llvm::Constant *DescriptorBuilder::global(llvm::Constant *value,
                                          StringRef name) {
  return new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true,
                                  llvm::GlobalValue::PrivateLinkage, value,
                                  name);
}

llvm::Constant *DescriptorBuilder::text(StringRef string) {
  llvm::Constant *&entry = texts[string];
  if (!entry)
    entry =
        global(llvm::ConstantDataArray::getString(module.getContext(), string),
               "text");
  return entry;
}

llvm::Constant *DescriptorBuilder::args(ArrayAttr array) {
  SmallVector<llvm::Constant *> rows;
  for (auto arg : array.getAsRange<rt::ArgAttr>()) {
    Place place = places.lookup(arg.getBuffer());
    rows.push_back(
        structOf(sizeof(fsdprt_arg),
                 {FIELD(fsdprt_arg, arena, i32(place.arena)),
                  FIELD(fsdprt_arg, access, i32(int64_t(arg.getAccess()))),
                  FIELD(fsdprt_arg, offset, i64(place.offset + arg.getBegin())),
                  FIELD(fsdprt_arg, bytes, i64(arg.getBytes())),
                  FIELD(fsdprt_arg, buffer, i64(arg.getBuffer()))}));
  }
  if (rows.empty())
    return null();
  auto *type = llvm::ArrayType::get(rows.front()->getType(), rows.size());
  return global(llvm::ConstantArray::get(type, rows), "args");
}

llvm::Constant *DescriptorBuilder::waits(ValueRange awaited) {
  SmallVector<uint32_t> numbers;
  for (Value event : awaited)
    numbers.push_back(events.lookup(event));
  if (numbers.empty())
    return null();
  return global(llvm::ConstantDataArray::get(module.getContext(), numbers),
                "waits");
}

llvm::Constant *DescriptorBuilder::head(Operation *op) {
  auto string = [&](StringRef name) {
    return text(op->getAttrOfType<StringAttr>(name).getValue());
  };
  auto arguments = op->getAttrOfType<ArrayAttr>("args");
  auto stream = op->getAttrOfType<rt::StreamAttr>("stream").getValue();
  // Only an event that somebody waits for is recorded.
  Value done = op->getResult(0);
  int32_t record = -1;
  if (!done.use_empty()) {
    record = events.size();
    events[done] = record;
  }
  return structOf(sizeof(fsdprt_op),
                  {FIELD(fsdprt_op, name, string("name")),
                   FIELD(fsdprt_op, unit, string("unit")),
                   FIELD(fsdprt_op, scope, string("scope")),
                   FIELD(fsdprt_op, args, args(arguments)),
                   FIELD(fsdprt_op, waits, waits(op->getOperands())),
                   FIELD(fsdprt_op, num_args, i32(arguments.size())),
                   FIELD(fsdprt_op, num_waits, i32(op->getNumOperands())),
                   FIELD(fsdprt_op, stream, i32(int64_t(stream))),
                   FIELD(fsdprt_op, record, i32(record))});
}

llvm::Constant *DescriptorBuilder::data(ElementsAttr value) {
  auto elements = cast<DenseElementsAttr>(value);
  Type type = elements.getElementType();
  std::string bytes;
  if (type.isInteger(1)) { // packed in the attribute, a byte each in memory
    for (bool bit : elements.getValues<bool>())
      bytes.push_back(bit ? 1 : 0);
  } else {
    ArrayRef<char> raw = elements.getRawData();
    bytes.assign(raw.begin(), raw.end());
    if (elements.isSplat()) {
      std::string one = bytes;
      for (int64_t i = 1; i < elements.getNumElements(); ++i)
        bytes += one;
    }
  }
  auto *constant = llvm::ConstantDataArray::getString(module.getContext(),
                                                      bytes, /*AddNull=*/false);
  return global(constant, "constant");
}

/// With a grid the code is a GPU's and found by name.
llvm::Constant *DescriptorBuilder::buildLaunch(rt::LaunchOp launch) {
  llvm::Constant *kernel = null(), *symbol = null();
  if (launch.getBlocks()) {
    symbol = text(launch.getKernel());
  } else {
    auto *type = llvm::FunctionType::get(
        llvm::Type::getVoidTy(module.getContext()), false);
    kernel = llvm::cast<llvm::Constant>(
        module.getOrInsertFunction(launch.getKernel(), type).getCallee());
  }
  using Desc = fsdprt_launch_desc;
  return structOf(sizeof(Desc),
                  {FIELD(Desc, op, head(launch)), FIELD(Desc, kernel, kernel),
                   FIELD(Desc, extent, i64(launch.getExtent())),
                   FIELD(Desc, scratch_bytes, i64(launch.getScratchBytes())),
                   FIELD(Desc, symbol, symbol),
                   FIELD(Desc, blocks, i32(launch.getBlocks().value_or(0))),
                   FIELD(Desc, threads, i32(launch.getThreads().value_or(0)))});
}

DescriptorBuilder::Call DescriptorBuilder::buildGemm(rt::GemmOp op) {
  using Desc = fsdprt_gemm_desc;
  size_t rank = op.getBatch().size();
  auto batch = [&](ArrayRef<int64_t> strides) {
    return i64Array(strides.take_front(rank), FSDPRT_MAX_BATCH_DIMS);
  };
  ArrayRef<int64_t> a = op.getAStrides(), b = op.getBStrides(),
                    c = op.getCStrides();
  int64_t adds = (op.getBias() ? FSDPRT_GEMM_BIAS : 0) |
                 (op.getResidual() ? FSDPRT_GEMM_RESIDUAL : 0);
  llvm::Constant *value = structOf(
      sizeof(Desc),
      {FIELD(Desc, op, head(op)),
       FIELD(Desc, dtype, i32(dtypeCode(op.getDtype()))),
       FIELD(Desc, c_dtype, i32(dtypeCode(op.getCDtype()))),
       FIELD(Desc, accumulate, i32(op.getAccumulate())),
       FIELD(Desc, adds, i32(adds)),
       FIELD(Desc, precision, i32(op.getTf32())),
       FIELD(Desc, reserved, i32(0)),
       FIELD(Desc, m, i64(op.getM())),
       FIELD(Desc, n, i64(op.getN())),
       FIELD(Desc, k, i64(op.getK())),
       FIELD(Desc, num_batch_dims, i64(rank)),
       FIELD(Desc, batch, i64Array(op.getBatch(), FSDPRT_MAX_BATCH_DIMS)),
       FIELD(Desc, a_batch_strides, batch(a)),
       FIELD(Desc, b_batch_strides, batch(b)),
       FIELD(Desc, c_batch_strides, batch(c)),
       FIELD(Desc, a_row_stride, i64(a[rank])),
       FIELD(Desc, a_col_stride, i64(a[rank + 1])),
       FIELD(Desc, b_row_stride, i64(b[rank])),
       FIELD(Desc, b_col_stride, i64(b[rank + 1])),
       FIELD(Desc, c_row_stride, i64(c[rank]))});
  gemms.push_back(global(value, "gemm"));
  return {"fsdprt_gemm", gemms.back()};
}

DescriptorBuilder::Call
DescriptorBuilder::collective(Operation *op, StringRef function, Type dtype,
                              int64_t count, int64_t payload,
                              std::optional<ArrayRef<int64_t>> segments) {
  using Desc = fsdprt_collective_desc;
  static_assert(sizeof(fsdprt_segment) == 2 * sizeof(int64_t) &&
                    offsetof(fsdprt_segment, offset) == 0,
                "segments are pairs of offset and count");
  llvm::Constant *pairs = null();
  int64_t numSegments = segments ? segments->size() / 2 : 0;
  if (numSegments)
    pairs = global(i64Array(*segments, segments->size()), "segments");
  llvm::Constant *value =
      structOf(sizeof(Desc), {FIELD(Desc, op, head(op)),
                              FIELD(Desc, comm, i32(*rt::communicatorOf(op))),
                              FIELD(Desc, dtype, i32(dtypeCode(dtype))),
                              FIELD(Desc, count, i64(count)),
                              FIELD(Desc, payload_bytes, i64(payload)),
                              FIELD(Desc, segments, pairs),
                              FIELD(Desc, num_segments, i64(numSegments))});
  return {function, global(value, "collective")};
}

template <typename Op> llvm::Constant *DescriptorBuilder::buildUnit(Op op) {
  using Desc = fsdprt_unit_desc;
  return structOf(sizeof(Desc),
                  {FIELD(Desc, op, head(op)),
                   FIELD(Desc, unit_index, i32(op.getUnitIndex())),
                   FIELD(Desc, line, i32(op.getLine()))});
}

llvm::Constant *DescriptorBuilder::buildFill(rt::FillOp op) {
  using Desc = fsdprt_fill_desc;
  return structOf(sizeof(Desc), {FIELD(Desc, op, head(op)),
                                 FIELD(Desc, byte, i32(op.getByte())),
                                 FIELD(Desc, reserved, i32(0))});
}

llvm::Constant *DescriptorBuilder::buildConstant(rt::ConstantOp op) {
  using Desc = fsdprt_constant_desc;
  return structOf(sizeof(Desc), {FIELD(Desc, data, data(op.getValue())),
                                 FIELD(Desc, op, head(op))});
}

/// A descriptor that is its head alone.
llvm::Constant *DescriptorBuilder::buildPlain(Operation *op) {
  static_assert(sizeof(fsdprt_copy_desc) == sizeof(fsdprt_op) &&
                    sizeof(fsdprt_join_desc) == sizeof(fsdprt_op),
                "nothing follows the head");
  return structOf(sizeof(fsdprt_join_desc),
                  {FIELD(fsdprt_join_desc, op, head(op))});
}

FailureOr<DescriptorBuilder::Call> DescriptorBuilder::build(Operation *op) {
  auto call = [&](StringRef function, llvm::Constant *value) {
    return Call{function, global(value, "desc")};
  };
  return llvm::TypeSwitch<Operation *, FailureOr<Call>>(op)
      .Case([&](rt::LaunchOp launch) {
        return call("fsdprt_launch", buildLaunch(launch));
      })
      .Case([&](rt::GemmOp gemm) { return buildGemm(gemm); })
      .Case([&](rt::AllGatherOp c) {
        return collective(op, "fsdprt_all_gather", c.getDtype(), c.getCount(),
                          c.getPayloadBytes(), c.getSegments());
      })
      .Case([&](rt::ReduceScatterOp c) {
        return collective(op, "fsdprt_reduce_scatter", c.getDtype(),
                          c.getCount(), c.getPayloadBytes(), c.getSegments());
      })
      .Case([&](rt::AllReduceOp c) {
        return collective(op, "fsdprt_all_reduce", c.getDtype(), c.getCount(),
                          0);
      })
      .Case(
          [&](rt::FillOp fill) { return call("fsdprt_fill", buildFill(fill)); })
      .Case([&](rt::ConstantOp constant) {
        return call("fsdprt_constant", buildConstant(constant));
      })
      .Case(
          [&](rt::LoadOp load) { return call("fsdprt_load", buildUnit(load)); })
      .Case([&](rt::StoreOp store) {
        return call("fsdprt_store", buildUnit(store));
      })
      .Case([&](rt::CopyOp) { return call("fsdprt_copy", buildPlain(op)); })
      .Case([&](rt::JoinOp) { return call("fsdprt_join", buildPlain(op)); })
      .Default([](Operation *other) -> FailureOr<Call> {
        return other->emitOpError("has no function of the runtime");
      });
}
