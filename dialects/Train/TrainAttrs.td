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

def Train_AdamAttr : Train_Rule<"Adam", "adam",
    (ins "::mlir::FloatAttr":$beta1, "::mlir::FloatAttr":$beta2,
         "::mlir::FloatAttr":$eps)> {
  let summary = "Adam as in torch.optim.Adam (decay as part of the gradient)";
  let description = [{
    g <- g + decay p; then as `#train.adamw` without its decay.
    States: exp_avg, exp_avg_sq.
  }];
}

def Train_SgdAttr : Train_Rule<"Sgd", "sgd",
    (ins "::mlir::FloatAttr":$momentum,
         OptionalParameter<"::mlir::FloatAttr">:$dampening,
         DefaultValuedParameter<"bool", "false">:$nesterov)> {
  let summary = "SGD as in torch.optim.SGD";
  let description = [{
    g <- g + decay p; with momentum: b <- momentum b + (1 - dampening) g (b = g
    in the first step, which without dampening a zero buffer gives), g <- b, or
    with nesterov g <- g + momentum b; p <- p - lr g.
    State, with momentum: momentum_buffer. nesterov needs momentum and no
    dampening.
  }];
}

def Train_AdagradAttr : Train_Rule<"Adagrad", "adagrad",
    (ins "::mlir::FloatAttr":$lr_decay, "::mlir::FloatAttr":$eps,
         "::mlir::FloatAttr":$initial)> {
  let summary = "Adagrad as in torch.optim.Adagrad";
  let description = [{
    g <- g + decay p; s <- s + g^2;
    p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps).
    State: sum, at first `initial`.
  }];
}

def Train_LionAttr : Train_Rule<"Lion", "lion",
    (ins "::mlir::FloatAttr":$beta1, "::mlir::FloatAttr":$beta2)> {
  let summary = "Lion, algorithm 2 of arXiv 2302.06675";
  let description = [{
    p <- p (1 - lr decay); p <- p - lr sign(beta1 m + (1 - beta1) g);
    m <- beta2 m + (1 - beta2) g.
    State: exp_avg.
  }];
}

def Train_AdafactorAttr : Train_Attr<"Adafactor", "adafactor",
    [DeclareAttrInterfaceMethods<Train_OptimizerRule, ["isFactored"]>]> {
  let summary = "Adafactor as in torch.optim.Adafactor";
  let description = [{
    Of a matrix g, R x C (of more dimensions: each of their last two), with
    w = t^beta2_decay and lerp(x, y) = x + w (y - x):
    r <- lerp(r, mean of g^2 along a row); c <- lerp(c, along a column);
    v = r c / max(eps1, mean of r); of a vector v <- lerp(v, g^2);
    u = g / sqrt(max(v, eps1^2)); a = max(eps2, rms(p)) min(lr, 1 / sqrt(t));
    p <- p (1 - lr decay) - a / max(1, rms(u) / d) u, with the p before it in
    rms(p), the root of the mean of its squares.
    States: row_var (r) and col_var (c), or of a vector variance (v).
    The paper (arXiv 1804.04235) adds an eps1 of 1e-30 to g^2 instead of
    bounding v and the mean of r, and has no decay; its min(1e-2, 1 / sqrt(t))
    is an lr of 1e-2.
  }];
  let parameters = (ins "::mlir::FloatAttr":$beta2_decay,
      "::mlir::FloatAttr":$eps1, "::mlir::FloatAttr":$eps2,
      "::mlir::FloatAttr":$d, "::mlir::FloatAttr":$decay,
      OptionalParameter<"::mlir::FloatAttr">:$lr_scale);
  let genVerifyDecl = 1;
}

def Train_AveragedAttr : Train_Attr<"Averaged", "averaged",
    [DeclareAttrInterfaceMethods<Train_OptimizerRule,
                                ["getAverageDecay", "isFactored"]>]> {
  let summary = "a rule, and an average of the parameters that it makes";
  let description = [{
    `#train.averaged<rule = #train.sgd<momentum = 0.9, decay = 0.1>, keep = 0.999>`:
    p by `rule`; then e <- p in the first step, e <- e + (1 - keep) (p - e) in
    later ones, as torch.optim.swa_utils.AveragedModel does it with
    get_ema_multi_avg_fn(keep). `keep` is in (0, 1).
    States: the rule's, and ema.
  }];
  let parameters = (ins "::fsdp::train::OptimizerRule":$rule,
                        "::mlir::FloatAttr":$keep);
  let genVerifyDecl = 1;
}

def Train_RoundedAttr : Train_Attr<"Rounded", "rounded",
    [DeclareAttrInterfaceMethods<Train_OptimizerRule>]> {
  let summary = "a rule whose states are kept in a narrower type";
  let description = [{
    `#train.rounded<rule = #train.sgd<momentum = 0.9, decay = 0.1>, type = bf16>`:
    `rule` in the parameter's type, f32, of states that are widened from `type`.
    A new state between two neighbours of `type` becomes the upper one with the
    probability that its distance from the lower one has in theirs, so that its
    mean is kept, and what is much smaller than the state still moves it.

    What decides is no generator's state but a function of where and when: with
    mix(z) of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom
    number generators, 2014), gamma = 0x9E3779B97F4A7C15, modulo 2^64,
      stream = mix(mix(key + gamma seed) + gamma t), r = mix(stream + gamma e)
    for element e (row-major) of the parameter in step t, from 1; key is FNV-1a
    (64 bits) of the parameter's name, seed the run's. State s adds bits
    [16 s, 16 s + 16) of r to its own 32 and drops the lower 16. NaN stays NaN.
    The parameter moves by the states before they are rounded; an initial value
    is rounded to nearest.

    `rule` has 1 to 4 states, is neither averaged nor rounded; `type` is bf16.
  }];
  let parameters = (ins "::fsdp::train::OptimizerRule":$rule,
                        "::mlir::Type":$type);
  let genVerifyDecl = 1;
}

def Train_RangeAttr : Train_Attr<"Range", "range"> {
  let summary = "the elements of a line that go by one rule";
  let description = [{
    `#train.range<end = 64, rule = #train.sgd<momentum = 0.9, decay = 0.1>>`:
    the elements from where the range before ends, the first from 0, up to `end`.
    Where a kernel asks which element of a parameter these are, the range is of
    one parameter, and a rank's are `stride` elements on from the rank before.
  }];
  let parameters = (ins "int64_t":$end, "::fsdp::train::OptimizerRule":$rule,
                        DefaultValuedParameter<"int64_t", "0">:$stride);
  let builders = [AttrBuilder<(ins "int64_t":$end,
      "::fsdp::train::OptimizerRule":$rule),
      [{ return $_get($_ctxt, end, rule, 0); }]>];
}

def Train_PieceAttr : Train_Attr<"Piece", "piece"> {
  let summary = "what a rank has of a parameter with a factored moment";
  let description = [{
    A parameter of `batch` matrices of `rows` x `columns`, or, where rows is 0,
    a vector of `columns` elements, which goes by `rule`. Its element e is
    element e + offset - rank stride of the rank's shard, if that is in
    [begin, end). Its factors are batch rows numbers of rows and batch columns
    of columns, one after the other, of a vector as many as elements.

    ```mlir
    #train.piece<batch = 1, rows = 8, columns = 4, offset = 64, stride = 48,
      begin = 0, end = 48, rule = #train.adafactor<beta2_decay = -0.8,
      eps1 = 1.0e-7, eps2 = 1.0e-3, d = 1.0, decay = 0.0>>
    ```

    **Constraints**
    - (piece_c1) the rule is factored; there is a matrix, or a vector; no number
      is negative, and begin not behind end.
  }];
  let parameters = (ins "int64_t":$batch, "int64_t":$rows, "int64_t":$columns,
                        "int64_t":$offset, "int64_t":$stride,
                        "int64_t":$begin, "int64_t":$end,
                        "::fsdp::train::OptimizerRule":$rule);
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool isVector() const { return getRows() == 0; }
    int64_t getNumElements() const {
      return getBatch() * (isVector() ? 1 : getRows()) * getColumns();
    }
    /// Factors of all rows, which come first, and all factors.
    int64_t getNumRowFactors() const { return getBatch() * getRows(); }
    int64_t getNumFactors() const {
      return getBatch() * (getRows() + getColumns());
    }
  }];
}

#endif
