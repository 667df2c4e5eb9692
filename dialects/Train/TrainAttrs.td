//===- TrainAttrs.td - Optimizer rules ---------------------*- tablegen -*-===//
#ifndef FSDP_DIALECTS_TRAIN_ATTRS
#define FSDP_DIALECTS_TRAIN_ATTRS

include "dialects/Train/TrainBase.td"
include "dialects/Train/TrainRules.td"

class Train_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Train_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
  let assemblyFormat = "`<` struct(params) `>`";
}

/// `lr_scale`: what the learning rate is multiplied by, 1 where it is not given.
class Train_Rule<string name, string attrMnemonic, dag numbers>
    : Train_Attr<name, attrMnemonic,
                 [DeclareAttrInterfaceMethods<Train_OptimizerRule>]> {
  let parameters = !con(numbers, (ins "::mlir::FloatAttr":$decay,
      OptionalParameter<"::mlir::FloatAttr">:$lr_scale));
  let genVerifyDecl = 1;
}

def Train_AdamWAttr : Train_Rule<"AdamW", "adamw",
    (ins "::mlir::FloatAttr":$beta1, "::mlir::FloatAttr":$beta2,
         "::mlir::FloatAttr":$eps)> {
  let summary = "AdamW as in torch.optim.AdamW (decoupled decay)";
  let description = [{
    p <- p (1 - lr decay); m <- m + (1 - beta1) (g - m);
    v <- beta2 v + (1 - beta2) g^2;
    p <- p - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps).
    States: exp_avg, exp_avg_sq.
  }];
}

def Train_SgdAttr : Train_Rule<"Sgd", "sgd", (ins "::mlir::FloatAttr":$momentum)> {
  let summary = "SGD as in torch.optim.SGD (dampening 0, no Nesterov)";
  let description = [{
    g <- g + decay p; with momentum: b <- momentum b + g (b = g in the first
    step, which a zero buffer gives), g <- b; p <- p - lr g.
    State, with momentum: momentum_buffer.
  }];
}

def Train_RangeAttr : Train_Attr<"Range", "range"> {
  let summary = "the elements of a line that go by one rule";
  let description = [{
    `#train.range<end = 64, rule = #train.sgd<momentum = 0.9, decay = 0.1>>`:
    the elements from where the range before ends, the first from 0, up to `end`.
  }];
  let parameters = (ins "int64_t":$end, "::fsdp::train::OptimizerRule":$rule);
}

#endif
