//===- TrainRules.td - What a rule of an optimizer says ----*- tablegen -*-===//
#ifndef FSDP_DIALECTS_TRAIN_RULES
#define FSDP_DIALECTS_TRAIN_RULES

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpBase.td"

def Train_OptimizerRule : AttrInterface<"OptimizerRule"> {
  let cppNamespace = "::fsdp::train";
  let description = [{
    How one parameter is updated: a formula with its numbers. What an element
    becomes is passes/Kernel/UpdateRules.cpp's to emit; nobody else asks which
    rule it is.
  }];
  let methods = [
    InterfaceMethod<"The rule's name and its numbers' names and intervals.",
      "const ::fsdp::train::RuleKind &", "getKind">,
    InterfaceMethod<"Its numbers, in the order of `getKind().numbers`.",
      "::llvm::SmallVector<double>", "getNumbers">,
    InterfaceMethod<"What is kept of each element of a parameter from step to step.",
      "::llvm::SmallVector<::fsdp::train::OptimizerState>", "getStates">,
    InterfaceMethod<"Whether the formula reads the number of the update.",
      "bool", "readsStep">,
    InterfaceMethod<"Whether second moments are kept by row and column (`#train.piece`), which no range of a line's elements can hold.",
      "bool", "isFactored", (ins), "", "return false;">,
    InterfaceMethod<"What the average of a parameter keeps of itself in a step; 0: there is none.",
      "double", "getAverageDecay", (ins), "", "return 0;">
  ];
  let extraClassDeclaration = [{
    /// Its number `name`, by torch's name, which it must have. "lr" is what the
    /// learning rate of a step is multiplied by.
    double getNumber(::llvm::StringRef name) const;
    /// Its states in words, "exp_avg, exp_avg_sq": parameters of others cannot
    /// share a line with its own.
    std::string getStateKey() const;
    /// Whether some state is kept in a narrower type than the parameter.
    bool isRounded() const;
  }];
}

#endif
