//===- CostModel.cpp - How long a dispatch should take --------------------===//
#include "passes/Plan/CostModel.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace fsdp;

namespace {
struct NamedNumber {
  llvm::StringLiteral name;
  double CostModel::*number;
};
constexpr NamedNumber kNumbers[] = {
    {"gemm", &CostModel::gemm},       {"gemm-bf16", &CostModel::gemmBf16},
    {"memory", &CostModel::memory},   {"network", &CostModel::network},
    {"latency", &CostModel::latency}, {"launch", &CostModel::launch}};
} // namespace

FailureOr<CostModel> fsdp::parseCostModel(StringRef text, CostModel model,
                                          std::string &problem) {
  SmallVector<StringRef> parts;
  text.split(parts, ',', -1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    StringRef name = part.split('=').first, value = part.split('=').second;
    const NamedNumber *known = llvm::find_if(
        kNumbers, [&](const NamedNumber &entry) { return entry.name == name; });
    double number = 0;
    if (known == std::end(kNumbers)) {
      problem = llvm::formatv(
          "unknown number '{0}', expected one of {1}", name,
          llvm::join(llvm::map_range(kNumbers, [](auto &e) { return e.name; }),
                     ", "));
      return failure();
    }
    if (value.getAsDouble(number) || !std::isfinite(number) || number < 0 ||
        (number == 0 && name != "latency" && name != "launch")) {
      problem = llvm::formatv("{0} is '{1}', expected a positive number", name,
                              value);
      return failure();
    }
    model.*known->number = number;
  }
  return model;
}

SmallVector<std::pair<StringRef, double>>
fsdp::costModelNumbers(const CostModel &model) {
  SmallVector<std::pair<StringRef, double>> numbers;
  for (const NamedNumber &entry : kNumbers)
    numbers.emplace_back(entry.name, model.*entry.number);
  return numbers;
}

template <typename Visit> static void forEachArg(Operation &op, Visit visit) {
  if (auto args = op.getAttrOfType<ArrayAttr>("args"))
    for (auto arg : args.getAsRange<rt::ArgAttr>())
      if (arg.getAccess() != rt::Access::Scratch)
        visit(arg);
}

int64_t fsdp::argumentBytes(Operation &dispatch) {
  int64_t bytes = 0;
  forEachArg(dispatch, [&](rt::ArgAttr arg) { bytes += arg.getBytes(); });
  return bytes;
}

/// Bytes that are read plus bytes that are written.
static double trafficBytes(Operation &op) {
  double bytes = 0;
  forEachArg(op, [&](rt::ArgAttr arg) {
    bytes +=
        arg.getBytes() * (arg.getAccess() == rt::Access::ReadWrite ? 2.0 : 1.0);
  });
  return bytes;
}

static double gemmSeconds(const CostModel &model, rt::GemmOp op) {
  double operations = 2.0 * op.getM() * op.getN() * op.getK();
  for (int64_t extent : op.getBatch())
    operations *= extent;
  double rate = op.getDtype().isF32() ? model.gemm : model.gemmBf16;
  if (op.getTf32())
    rate = model.gemmBf16 / 2;
  return std::max(operations / rate, trafficBytes(*op) / model.memory);
}

/// An exchange of `bytes` with every other rank.
static double exchangeSeconds(const CostModel &model, double bytes,
                              int64_t world) {
  return world > 1 ? model.latency + bytes * (world - 1) / model.network : 0;
}

template <typename Op> static double shardBytes(Op op) {
  return double(op.getCount()) * op.getDtype().getIntOrFloatBitWidth() / 8;
}

double fsdp::estimateSeconds(const CostModel &model, Operation &dispatch,
                             int64_t world) {
  auto reduction = [&](auto op) {
    double bytes = shardBytes(op);
    return exchangeSeconds(model, bytes, world) +
           bytes * (world + 1) / model.memory;
  };
  return llvm::TypeSwitch<Operation *, double>(&dispatch)
      .Case([&](rt::JoinOp) { return 0.0; })
      .Case(
          [&](rt::GemmOp op) { return model.launch + gemmSeconds(model, op); })
      .Case([&](rt::AllGatherOp op) {
        double bytes = shardBytes(op);
        return model.launch + exchangeSeconds(model, bytes, world) +
               2 * bytes / model.memory; // the rank's own part
      })
      .Case<rt::ReduceScatterOp, rt::AllReduceOp>(
          [&](auto op) { return model.launch + reduction(op); })
      .Default([&](Operation *op) {
        return model.launch + trafficBytes(*op) / model.memory;
      });
}
