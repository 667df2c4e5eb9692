//===- Passes.td - From a forward graph to a training step -*- tablegen -*-===//
include "mlir/Pass/PassBase.td"

def TrainAttachLoss : Pass<"train-attach-loss", "::mlir::ModuleOp"> {
  let summary = "makes the forward function return one scalar loss";
  let description = [{
    Turns `@forward` into `@step`, whose only result is the loss. With
    `loss=cross_entropy` the loss is the cross-entropy of the logits against a
    new input `labels`; without, it is the `onnx.softmax_cross_entropy_loss`
    that the model holds. Inputs get their role: `tokens` or `labels`; an input
    with neither is an error, as is a model without a loss. The module says
    whether the runtime or the model shifts labels (`train.labels_shift`).
  }];
  let options = [
    Option<"loss", "loss", "std::string", "\"\"",
           "cross_entropy, or empty for the loss inside the model">,
    Option<"logits", "logits", "std::string", "\"\"",
           "the output that holds the logits">,
    Option<"labelsShift", "labels-shift", "std::string", "\"\"",
           "data, model, or empty to see what the graph does">,
    Option<"ignoreIndex", "ignore-index", "int64_t", "-100",
           "label that is not counted">];
  let dependentDialects = ["::fsdp::onnx::OnnxDialect",
                           "::fsdp::train::TrainDialect"];
}

def TrainFoldEmpty : Pass<"train-fold-empty", "::mlir::ModuleOp"> {
  let summary = "folds what is computed on tensors without elements";
  let description = [{
    A value of the model with an extent of 0 becomes a constant without
    elements, so that nothing computes it, and what reads one gets its value
    without it: a sum or a product over no elements is 0, a maximum minus
    infinity (of integers the least number), a mean NaN, as in PyTorch; a pad is
    its value; a concatenation is that of the operands that have elements.
    Parameters without elements stay, unread: they have no gradient, and are
    saved. An input without elements is an error, as is any other op that needs
    the elements that are not there (a gather of them, attention to no keys).
  }];
  let statistics = [Statistic<"numFolded", "folded", "values folded">];
  let dependentDialects = ["::fsdp::onnx::OnnxDialect"];
}

def TrainFormAttention : Pass<"train-form-attention", "::mlir::ModuleOp"> {
  let summary = "products around a softmax into onnx.attention";
  let description = [{
    softmax(scale q k^T + mask) v becomes one `onnx.attention`: its scores never
    lie in memory as a whole. Scalars on q, k or the scores are the scale. A
    constant mask that hides just the columns after a row's own (0 there, at
    most -1e4 or -inf behind it) becomes `causal`; any other stays an operand.
    Heads of k and v that are expanded for grouped queries are read where they
    are. Left alone: scores or probabilities with another use, a mask that
    depends on parameters, a choice (`onnx.where`) whose condition is not
    constant or hides a whole row, element types other than f32 and f64.
  }];
  let statistics = [Statistic<"numFormed", "attentions", "attentions formed">];
  let dependentDialects = ["::fsdp::onnx::OnnxDialect",
                           "::fsdp::train::TrainDialect"];
}

def TrainFormNorms : Pass<"train-form-norms", "::mlir::ModuleOp"> {
  let summary = "products around a mean of squares into onnx.rms_normalization";
  let description = [{
    x / sqrt(mean(x^2) + epsilon) * scale, over the last dimension, becomes one
    `onnx.rms_normalization`, however the square (a product, a power) and the
    reciprocal root (`onnx.reciprocal`, a quotient, a power) are written. Left
    alone: parts with another use, a scale that is not of shape [D], an epsilon
    that is not one number, a norm without a scale.
  }];
  let statistics = [Statistic<"numFormed", "norms", "normalisations formed">];
  let dependentDialects = ["::fsdp::onnx::OnnxDialect",
                           "::fsdp::train::TrainDialect"];
}

def TrainFormGelu : Pass<"train-form-gelu", "::mlir::ModuleOp"> {
  let summary = "products around a tanh or erf into onnx.gelu";
  let description = [{
    x / 2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) and x / 2 (1 + erf(x / sqrt
    2)) become one `onnx.gelu`, however products are nested, powers and quotients
    written, x before the inner bracket or in it; numbers but 1 and 1/2 are
    compared within 1e-6. Backward then reads x alone, and in mixed precision the
    whole is one op, rounded once. Left alone: parts with another use, other
    numbers.
  }];
  let statistics = [Statistic<"numFormed", "gelus", "GELUs formed">];
  let dependentDialects = ["::fsdp::onnx::OnnxDialect"];
}

def TrainMixedPrecision : Pass<"train-mixed-precision", "::mlir::ModuleOp"> {
  let summary = "computes the model in the parameters' compute type";
  let description = [{
    With `param-dtype=bfloat16`, or float16 in its place below, every f32 parameter is cast as it is read (the
    sharding stage gathers it in that type instead), and what is computed from
    parameters is stored in bf16, as under FSDP2's MixedPrecisionPolicy:
    products, attention, moved and looked-up data are stated in bf16, as are
    sums, products and choices of bf16 values; other elementwise ops work in f32
    between casts. The inside of softmax, normalisation and loss is in f32;
    means and sums over bf16 values are f32 and stay so; values that do not
    depend on parameters (tables of positions) are f32 until they enter a unit,
    where they are cast (cast_forward_inputs). Constants are buffers: not cast.
    With `output-dtype=float32` the loss reads the logits in f32.
  }];
  let options = [
    Option<"paramDtype", "param-dtype", "std::string", "\"\"",
           "float32, bfloat16 or float16; empty: as the model has them">,
    Option<"outputDtype", "output-dtype", "std::string", "\"\"",
           "float32, bfloat16 or float16: what the root unit hands to the loss">,
    ListOption<"units", "units", "std::string",
               "module paths (glob patterns) that are units">];
  let statistics = [Statistic<"numCasts", "casts", "values cast">];
  let dependentDialects = ["::fsdp::onnx::OnnxDialect",
                           "::fsdp::train::TrainDialect"];
}

def TrainNarrowSaved : Pass<"train-narrow-saved", "::mlir::ModuleOp"> {
  let summary = "lets backward read what forward stores in a narrow type";
  let description = [{
    Where forward computes a value in f32 and casts it to bf16 for its readers,
    backward reads the bf16 value too, widened: so only that one lives from
    forward to backward. Values that forward does not cast (statistics) are left
    as they are.
  }];
  let statistics = [Statistic<"numNarrowed", "narrowed",
                              "values that backward reads narrow">];
  let dependentDialects = ["::fsdp::onnx::OnnxDialect",
                           "::fsdp::train::TrainDialect"];
}

def TrainWidenGradients : Pass<"train-widen-gradients", "::mlir::ModuleOp"> {
  let summary = "computes parameter gradients in f32 where that costs nothing";
  let description = [{
    The gradient of a parameter that is read through a cast to bf16 ends in a
    cast back to f32. Where the op before it sums (a product, a sum over rows, a
    gather's gradient), its result is f32 at once instead: one rounding less,
    and the reduce-scatter reads what it wrote. Additions, reshapes, transposes
    and slices in between are widened with it; where a gradient is padded from a
    smaller value, that value is cast. Left alone: values with another reader,
    and ops that only make bf16.
  }];
  let statistics = [Statistic<"numWidened", "widened",
                              "gradients whose last cast is gone">];
  let dependentDialects = ["::fsdp::onnx::OnnxDialect",
                           "::fsdp::train::TrainDialect"];
}

def TrainBuildEvaluation : Pass<"train-build-evaluation", "::mlir::ModuleOp"> {
  let summary = "adds a function that only computes the loss";
  let description = [{
    `@evaluate` computes what `@step` does up to its loss and returns the sum of
    the losses of all valid labels and how many these are, both over all ranks:
    the mean over any number of batches follows from them. It holds no
    activation longer than the next op needs it.
  }];
  let dependentDialects = ["::fsdp::train::TrainDialect"];
}

def TrainBuildBackward : Pass<"train-build-backward", "::mlir::ModuleOp"> {
  let summary = "adds loss scaling, gradients of every trainable parameter";
  let description = [{
    Replaces the loss by its sum over the valid labels times a seed, and adds
    the reverse sweep after `train.backward_begin`; every gradient ends in a
    `train.gradient`. With `loss-mean=global` the seed is 1 over the valid
    labels of all ranks; with `rank` it is 1 over this rank's, over the number
    of ranks (FSDP2's mean of the ranks' means). `@step` returns loss and
    number of valid labels, both over all ranks.
  }];
  let options = [Option<"lossMean", "loss-mean", "std::string", "\"global\"",
                        "global or rank">];
  let statistics = [Statistic<"numGradients", "gradients",
                              "parameters that got a gradient">];
  let dependentDialects = ["::fsdp::onnx::OnnxDialect",
                           "::fsdp::train::TrainDialect"];
}

def TrainBuildUpdate : Pass<"train-build-update", "::mlir::ModuleOp"> {
  let summary = "adds norm, clipping and optimizer after the gradients";
  let description = [{
    Every `train.gradient` becomes a `train.update` by the optimizer's rule.
    `@step` gets the inputs `lr` and `step` and returns loss, global gradient
    norm (before clipping) and valid labels. Parameters without a gradient are
    left untouched, without decay. The rule's numbers are torch's defaults but
    for those of `numbers` (`weight_decay=0.1`; a flag is true or false), and in
    a group (`h.*: lr=0.1x, weight_decay=0, betas=0.9,0.95`) those that it
    lists; a parameter is in the first group that matches one of its names.
    With `ema` each rule keeps an average of its parameters too. With an
    `optimizer-dtype` of bfloat16 states are kept in it, rounded stochastically
    (`#train.rounded`); averages are not, nor factored moments, which are small.
  }];
  let options = [
    Option<"optimizer", "optimizer", "std::string", "\"adamw\"",
           "adamw, adam, sgd, adagrad, lion or adafactor">,
    ListOption<"numbers", "numbers", "std::string",
               "the rule's numbers by torch's names: eps=1e-6">,
    ListOption<"groupTexts", "groups", "std::string",
               "PATTERN: NAME=NUMBER, ...: numbers of some parameters">,
    Option<"clipGradNorm", "clip-grad-norm", "double", "0.0",
           "largest global gradient norm; 0: no clipping">,
    Option<"ema", "ema", "double", "0.0",
           "what an average of the parameters keeps of itself in a step; 0: "
           "none is made">,
    Option<"optimizerDtype", "optimizer-dtype", "std::string", "\"float32\"",
           "what the optimizer's states are kept in: float32 or bfloat16">,
    ListOption<"noDecay", "no-decay", "std::string",
               "parameters that do not decay (glob patterns), whatever their "
               "group">];
  let dependentDialects = ["::fsdp::onnx::OnnxDialect",
                           "::fsdp::train::TrainDialect"];
}

def TrainRecompute : Pass<"train-recompute", "::mlir::ModuleOp"> {
  let summary = "computes activations again in backward, instead of keeping them";
  let description = [{
    A rule names modules, `model.layers.*`, whose values gradients read: these
    are computed again in backward, behind a `train.barrier`, each right before
    the first gradient that reads it. Kept is what enters the module from
    outside; with `model.layers.*=elementwise` results of products and attention
    are kept as well, or what is computed from them where it is smaller: of all
    such choices the one that keeps the fewest bytes, and then the one that
    computes least. The last rule that matches a module holds, at its outermost
    match.

    A value is not computed again where it stays anyway: what other modules'
    gradients read, inputs of later modules that are computed again themselves,
    results of the step. Chains on parameters alone are left to
    `--fsdp-insert-gathers`. The loss is no module. FSDP units inside a module
    are computed again one by one, each with its own backward and with one
    gather for both.

    Computed again are the same ops on the same values: no bit changes.
  }];
  let options = [
    ListOption<"rules", "rules", "std::string",
               "PATTERN or PATTERN=elementwise: modules to compute again">,
    ListOption<"units", "units", "std::string",
               "the units of --fsdp-assign-units">];
  let statistics = [
    Statistic<"numRegions", "modules", "modules computed again">,
    Statistic<"numRecomputed", "recomputed", "ops computed again">];
  let dependentDialects = ["::fsdp::train::TrainDialect"];
}
