//===- TrainBase.td - Dialect and base classes -------------*- tablegen -*-===//
#ifndef FSDP_DIALECTS_TRAIN_BASE
#define FSDP_DIALECTS_TRAIN_BASE

include "mlir/IR/AttrTypeBase.td"
include "dialects/Onnx/OnnxBase.td"

def Train_Dialect : Dialect {
  let name = "train";
  let cppNamespace = "::fsdp::train";
  let summary = "what a training step does: gradients, loss, clipping, updates";
  let description = [{
    The parts of a step that ONNX has no word for, still on whole tensors and
    for one device: fused gradients, the loss and its seed, sums over the
    data-parallel ranks, the global norm, parameter updates. `train.kernel`
    groups ops of `onnx` and `train` that are compiled to one loop nest.
  }];
  let dependentDialects = ["::fsdp::onnx::OnnxDialect"];
  let useDefaultAttributePrinterParser = 1;
}

class Train_Op<string mnemonic, list<Trait> traits = []>
    : Op<Train_Dialect, mnemonic, traits> {
  dag args = (ins);
  let arguments = !con(args, (ins DefaultValuedAttr<StrAttr, "\"\"">:$scope));
}
class Train_PureOp<string mnemonic, list<Trait> traits = []>
    : Train_Op<mnemonic, !listconcat([Pure], traits)>;

def Train_Scalar : 0DTensorOf<[F32, F64]>;
def Train_StateResource : Resource<"::fsdp::train::StateResource">;

#endif
