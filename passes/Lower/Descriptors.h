//===- Descriptors.h - fsdprt dispatches as LLVM constants ------*- C++ -*-===//
#ifndef FSDP_PASSES_LOWER_DESCRIPTORS_H
#define FSDP_PASSES_LOWER_DESCRIPTORS_H

#include "dialects/FsdpRt/FsdpRt.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/IR/Module.h"

namespace fsdp {
/// Lays the descriptors of runtime/abi/fsdprt.h out as constants of one LLVM
/// module. Strings and argument tables are shared.
class DescriptorBuilder {
public:
  /// `arenaOf` and `offsetOf` give a buffer's arena and offset.
  struct Place {
    int64_t arena, offset;
  };
  DescriptorBuilder(llvm::Module &module,
                    const llvm::DenseMap<int64_t, Place> &places)
      : module(module), places(places) {}

  /// The runtime function that `op` calls, and its descriptor.
  struct Call {
    llvm::StringRef function;
    llvm::Constant *descriptor;
  };
  /// Fails, with an error on `op`, where no function runs it.
  mlir::FailureOr<Call> build(mlir::Operation *op);

  /// The descriptors of products built so far.
  llvm::ArrayRef<llvm::Constant *> getGemms() const { return gemms; }

private:
  llvm::Constant *text(llvm::StringRef string);
  llvm::Constant *args(mlir::ArrayAttr array);
  llvm::Constant *waits(mlir::ValueRange events);
  llvm::Constant *head(mlir::Operation *op);
  llvm::Constant *data(mlir::ElementsAttr value);
  llvm::Constant *global(llvm::Constant *value, llvm::StringRef name);
  llvm::Constant *i32(int64_t value);
  llvm::Constant *i64(int64_t value);
  llvm::Constant *null();
  llvm::Constant *i64Array(llvm::ArrayRef<int64_t> values, size_t size);
  llvm::Constant *buildLaunch(rt::LaunchOp op);
  llvm::Constant *buildFill(rt::FillOp op);
  llvm::Constant *buildConstant(rt::ConstantOp op);
  template <typename Op> llvm::Constant *buildUnit(Op op);
  llvm::Constant *buildPlain(mlir::Operation *op);
  Call buildGemm(rt::GemmOp op);
  Call collective(mlir::Operation *op, llvm::StringRef function,
                  mlir::Type dtype, int64_t count, int64_t payload,
                  std::optional<llvm::ArrayRef<int64_t>> segments = {});

  llvm::Module &module;
  const llvm::DenseMap<int64_t, Place> &places;
  llvm::StringMap<llvm::Constant *> texts;
  llvm::DenseMap<mlir::Value, int32_t> events;
  llvm::SmallVector<llvm::Constant *> gemms;
};
} // namespace fsdp

#endif // FSDP_PASSES_LOWER_DESCRIPTORS_H
