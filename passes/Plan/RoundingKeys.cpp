//===- RoundingKeys.cpp - What tells parameters' roundings apart ----------===//
#include "passes/Plan/RoundingKeys.h"
#include "passes/Plan/Program.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

/// FNV-1a of 64 bits.
static int64_t keyOf(StringRef name) {
  uint64_t hash = 0xCBF29CE484222325;
  for (unsigned char byte : name.bytes())
    hash = (hash ^ byte) * 0x100000001B3;
  return int64_t(hash);
}

void fsdp::createRoundingKeys(Program &program) {
  constexpr int64_t kAligned = 8; // 64 bytes
  SmallVector<int64_t> keys;
  SmallVector<LineBuffers *> rounded;
  for (auto &[name, line] : program.getLines()) {
    if (!line.isRounded())
      continue;
    line.keys.begin = int64_t(keys.size() * sizeof(int64_t));
    line.keys.bytes = byteSize(line.keysType());
    for (StringAttr parameter : line.line.get().getParameters())
      keys.push_back(keyOf(parameter));
    keys.resize(llvm::alignTo(keys.size(), kAligned));
    rounded.push_back(&line);
  }
  if (rounded.empty())
    return;
  Type i64 = IntegerType::get(program.module.getContext(), 64);
  auto type = RankedTensorType::get({int64_t(keys.size())}, i64);
  Slice all =
      program.buffers.create({"rounding keys", "", rt::BufferKind::Constant,
                              byteSize(type), "", "", "", nullptr});
  program.constants[DenseElementsAttr::get(type, ArrayRef<int64_t>(keys))] =
      all;
  for (LineBuffers *line : rounded)
    line->keys.buffer = all.buffer;
  auto scalar = RankedTensorType::get({}, i64);
  program.roles["seed"] =
      program.buffers.create({"seed", "", rt::BufferKind::Scalar,
                              byteSize(scalar), "", "", "seed", scalar});
}
