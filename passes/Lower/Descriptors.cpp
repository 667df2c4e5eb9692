//===- Descriptors.cpp - fsdprt dispatches as LLVM constants --------------===//
//
// Field order here is field order in runtime/abi/fsdprt.h; the assertions
// notice when one of the two changes alone.
//
//===----------------------------------------------------------------------===//
#include "passes/Lower/Descriptors.h"
#include "passes/Support/DTypes.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "runtime/abi/fsdprt.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/IR/Constants.h"

using namespace mlir;
using namespace fsdp;

static_assert(sizeof(fsdprt_arg) == 32, "DescriptorBuilder::args mirrors it");
static_assert(sizeof(fsdprt_op) == 56, "DescriptorBuilder::head mirrors it");
static_assert(sizeof(fsdprt_launch_desc) == 56 + 40, "build mirrors it");
static_assert(sizeof(fsdprt_gemm_desc) == 56 + 24 + 8 * (4 + 4 * 4 + 5),
              "buildGemm mirrors it");
static_assert(sizeof(fsdprt_collective_desc) == 56 + 40,
              "collective mirrors it");
static_assert(sizeof(fsdprt_segment) == 16, "collective mirrors it");
static_assert(sizeof(fsdprt_fill_desc) == 56 + 8, "build mirrors it");
static_assert(sizeof(fsdprt_constant_desc) == 56 + 8, "build mirrors it");
static_assert(sizeof(fsdprt_unit_desc) == 56 + 8, "build mirrors it");

static llvm::Constant *structOf(ArrayRef<llvm::Constant *> fields) {
  return llvm::ConstantStruct::getAnon(fields);
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
    rows.push_back(structOf({i32(place.arena), i32(int64_t(arg.getAccess())),
                             i64(place.offset + arg.getBegin()),
                             i64(arg.getBytes()), i64(arg.getBuffer())}));
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
  return structOf({string("name"), string("unit"), string("scope"),
                   args(arguments), waits(op->getOperands()),
                   i32(arguments.size()), i32(op->getNumOperands()),
                   i32(int64_t(stream)), i32(record)});
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

/// What follows the head. With a grid the code is a GPU's and found by name.
SmallVector<llvm::Constant *>
DescriptorBuilder::launchFields(rt::LaunchOp launch) {
  llvm::Constant *kernel = null(), *symbol = null();
  if (launch.getBlocks()) {
    symbol = text(launch.getKernel());
  } else {
    auto *type = llvm::FunctionType::get(
        llvm::Type::getVoidTy(module.getContext()), false);
    kernel = llvm::cast<llvm::Constant>(
        module.getOrInsertFunction(launch.getKernel(), type).getCallee());
  }
  return {kernel,
          i64(launch.getExtent()),
          i64(launch.getScratchBytes()),
          symbol,
          i32(launch.getBlocks().value_or(0)),
          i32(launch.getThreads().value_or(0))};
}

DescriptorBuilder::Call DescriptorBuilder::buildGemm(rt::GemmOp op) {
  size_t rank = op.getBatch().size();
  auto batch = [&](ArrayRef<int64_t> strides) {
    return i64Array(strides.take_front(rank), FSDPRT_MAX_BATCH_DIMS);
  };
  ArrayRef<int64_t> a = op.getAStrides(), b = op.getBStrides(),
                    c = op.getCStrides();
  int64_t adds = (op.getBias() ? FSDPRT_GEMM_BIAS : 0) |
                 (op.getResidual() ? FSDPRT_GEMM_RESIDUAL : 0);
  llvm::Constant *value =
      structOf({head(op),
                i32(dtypeCode(op.getDtype())),
                i32(dtypeCode(op.getCDtype())),
                i32(op.getAccumulate()),
                i32(adds),
                i32(op.getTf32()),
                i32(0),
                i64(op.getM()),
                i64(op.getN()),
                i64(op.getK()),
                i64(rank),
                i64Array(op.getBatch(), FSDPRT_MAX_BATCH_DIMS),
                batch(a),
                batch(b),
                batch(c),
                i64(a[rank]),
                i64(a[rank + 1]),
                i64(b[rank]),
                i64(b[rank + 1]),
                i64(c[rank])});
  gemms.push_back(global(value, "gemm"));
  return {"fsdprt_gemm", gemms.back()};
}

DescriptorBuilder::Call
DescriptorBuilder::collective(Operation *op, StringRef function, Type dtype,
                              int64_t count, int64_t payload,
                              std::optional<ArrayRef<int64_t>> segments) {
  llvm::Constant *pairs = null();
  int64_t numSegments = segments ? segments->size() / 2 : 0;
  if (numSegments)
    pairs = global(i64Array(*segments, segments->size()), "segments");
  llvm::Constant *value =
      structOf({head(op), i32(*rt::communicatorOf(op)), i32(dtypeCode(dtype)),
                i64(count), i64(payload), pairs, i64(numSegments)});
  return {function, global(value, "collective")};
}

FailureOr<DescriptorBuilder::Call> DescriptorBuilder::build(Operation *op) {
  auto plain = [&](StringRef function, ArrayRef<llvm::Constant *> fields) {
    SmallVector<llvm::Constant *> all = {head(op)};
    llvm::append_range(all, fields);
    return Call{function, global(structOf(all), "desc")};
  };
  return llvm::TypeSwitch<Operation *, FailureOr<Call>>(op)
      .Case([&](rt::LaunchOp launch) {
        return plain("fsdprt_launch", launchFields(launch));
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
      .Case([&](rt::FillOp fill) {
        return plain("fsdprt_fill", {i32(fill.getByte()), i32(0)});
      })
      .Case([&](rt::ConstantOp constant) {
        return plain("fsdprt_constant", {data(constant.getValue())});
      })
      .Case([&](rt::LoadOp load) {
        return plain("fsdprt_load",
                     {i32(load.getUnitIndex()), i32(load.getLine())});
      })
      .Case([&](rt::StoreOp store) {
        return plain("fsdprt_store",
                     {i32(store.getUnitIndex()), i32(store.getLine())});
      })
      .Case([&](rt::CopyOp) { return plain("fsdprt_copy", {}); })
      .Case([&](rt::JoinOp) { return plain("fsdprt_join", {}); })
      .Default([](Operation *other) -> FailureOr<Call> {
        return other->emitOpError("has no function of the runtime");
      });
}
