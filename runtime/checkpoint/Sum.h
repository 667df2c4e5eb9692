//===- Sum.h - A sum that any flipped bit changes ---------------*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_SUM_H
#define FSDPRT_CHECKPOINT_SUM_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace fsdprt {

/// XXH3 with 64 bits and seed 0, of bytes that come in pieces.
class RunningSum {
public:
  RunningSum();
  ~RunningSum();
  void add(const void *data, size_t bytes);
  uint64_t value() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

/// As files have it: 16 lower-case hexadecimal digits.
std::string sumText(uint64_t sum);

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_SUM_H
