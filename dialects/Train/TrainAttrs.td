//===- TrainAttrs.td - Optimizer rules ---------------------*- tablegen -*-===//

class Train_Attr<string name, string attrMnemonic>
    : AttrDef<Train_Dialect, name> {
  let mnemonic = attrMnemonic;
  let assemblyFormat = "`<` struct(params) `>`";
}

def Train_AdamWAttr : Train_Attr<"AdamW", "adamw"> {
  let summary = "AdamW as in torch.optim.AdamW (decoupled decay)";
  let description = [{
    p <- p (1 - lr decay); m <- beta1 m + (1 - beta1) g;
    v <- beta2 v + (1 - beta2) g^2;
    p <- p - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps).
    States: exp_avg, exp_avg_sq.
  }];
  let parameters = (ins "::mlir::FloatAttr":$beta1, "::mlir::FloatAttr":$beta2, "::mlir::FloatAttr":$eps,
                        "::mlir::FloatAttr":$decay);
}

def Train_SgdAttr : Train_Attr<"Sgd", "sgd"> {
  let summary = "SGD as in torch.optim.SGD (dampening 0, no Nesterov)";
  let description = [{
    g <- g + decay p; with momentum: b <- momentum b + g (b = g in the first
    step, which a zero buffer gives), g <- b; p <- p - lr g.
    State, with momentum: momentum_buffer.
  }];
  let parameters = (ins "::mlir::FloatAttr":$momentum, "::mlir::FloatAttr":$decay);
}
