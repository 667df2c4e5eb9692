//===- UpdateTest.h - Kernels of flat updates -------------------*- C++ -*-===//
#ifndef FSDP_TEST_PASSES_KERNEL_UPDATETEST_H
#define FSDP_TEST_PASSES_KERNEL_UPDATETEST_H

#include "test/passes/Kernel/KernelTestBase.h"

namespace fsdp::test {
/// "[#train.range<end = 10, rule = #train.sgd<...>>, ...]" of a rule's numbers
/// with the decays of two ranges.
inline std::string ranges(const std::string &rule, int64_t end, double decay,
                          double rest) {
  auto range = [&](int64_t to, double rate) {
    return "#train.range<end = " + std::to_string(to) + ", rule = #train." +
           rule + ", decay = " + std::to_string(rate) + ">>";
  };
  return "[" + range(end, decay) + ", " + range(1 << 20, rest) + "]";
}

class Update : public KernelTest {
protected:
  int64_t size = 1003;
  std::string flat = type({1003}, "f32");

  /// One step by `rule`, up to `end` with the decay `decay`, then with `rest`.
  /// Inputs are p, g, the states, lr, what of "step clip" there is, and rank;
  /// results p and the states.
  std::vector<Tensor> update(const std::string &rule, int64_t end, double decay,
                             double rest, const std::string &optional,
                             const std::vector<Values> &inputs,
                             const std::string &attributes = "") {
    std::string signature, types, tensors, states, scalars, values;
    bool hasStep = optional.find("step") != std::string::npos;
    bool hasClip = optional.find("clip") != std::string::npos;
    size_t flats = inputs.size() - 2 - hasStep - hasClip;
    auto add = [](std::string &list, const std::string &item) {
      list += (list.empty() ? "" : ", ") + item;
    };
    for (size_t i = 0; i < inputs.size(); ++i) {
      std::string own = i < flats               ? flat
                        : i + 1 < inputs.size() ? "tensor<f32>"
                                                : "tensor<i64>";
      add(signature, "%x" + std::to_string(i) + ": " + own);
      add(types, own);
      if (i >= 2 && i < flats)
        add(states, "%x" + std::to_string(i));
    }
    for (size_t i = 0; i + 1 < flats; ++i) {
      add(tensors, flat);
      add(values, "%y#" + std::to_string(i));
    }
    size_t next = flats;
    auto scalar = [&](const std::string &name) {
      scalars += " " + name + " %x" + std::to_string(next++);
    };
    scalar("lr");
    if (hasStep)
      scalar("step");
    if (hasClip)
      scalar("clip");
    scalar("rank");
    return run("(" + signature + ") -> (" + tensors + ")",
               "%y:" + std::to_string(flats - 1) +
                   " = train.flat_update (%x0, %x1" +
                   (states.empty() ? "" : " states " + states) + scalars +
                   ") " + ranges(rule, end, decay, rest) + attributes + " : (" +
                   types + ") -> (" + tensors + ")",
               values + " : " + tensors, inputs);
  }
};
} // namespace fsdp::test

#endif // FSDP_TEST_PASSES_KERNEL_UPDATETEST_H
