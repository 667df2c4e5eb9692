//===- RecordedCalls.cpp - What a call says and its nodes do not ----------===//
#include "dialects/Onnx/Import/RecordedCalls.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace fsdp::onnx;
using llvm::StringRef;

namespace {
/// The values of an argument that are translated as they are.
enum class Fine { False, Zero, One, None, Nothing, NotMean };

/// An argument that torch_lib's translation of a call drops, or takes for
/// something else. Those that change no number are not listed: where a tensor
/// lies (`device`, `layout`, `pin_memory`, `memory_format`, `non_blocking`),
/// how a gradient is stored
/// (`sparse` of embedding, `sparse_grad` of gather), which kernel runs
/// (`cudnn_enabled`, einsum's `path`). Embedding's `padding_idx` is read where
/// the Gather is imported.
struct Dropped {
  const char *target;
  int argument;
  const char *name;
  Fine fine;
  /// What PyTorch does, after "which"; and what to do instead.
  const char *effect, *remedy;
};

const char *const inBothParts =
    "scales negative elements alone, and the file all";
const char *const frequency =
    "divides the gradient of a row by how often the batch reads it";
const char *const noFrequency =
    "export the model with scale_grad_by_freq=False";
const char *const drops = "drops values at random in training";
const char *const noDropout =
    "export the model in eval() mode or with dropout 0";
const char *const batchStatistics =
    "normalises by the batch and updates running statistics";
const char *const evalMode = "export the model in eval() mode";
const char *const smooths = "mixes the label with all other classes";
const char *const noSmoothing =
    "export the loss with label_smoothing=0, or the model without labels, for "
    "--loss cross_entropy";
const char *const scales = "samples by this factor, not by the output's size";
const char *const noScales = "export with size= or recompute_scale_factor=True";

const Dropped dropped[] = {
    {"scatter_reduce", 4, "reduce", Fine::NotMean,
     "divides by how many elements go to one place",
     "export it as a sum, divided by the sum of ones"},
    {"elu", 3, "input_scale", Fine::One, inBothParts,
     "export the model with input_scale=1"},
    {"embedding", 3, "scale_grad_by_freq", Fine::False, frequency, noFrequency},
    {"embedding_bag", 3, "scale_grad_by_freq", Fine::False, frequency,
     noFrequency},
    {"_embedding_bag", 3, "scale_grad_by_freq", Fine::False, frequency,
     noFrequency},
    {"_embedding_bag_forward_only", 3, "scale_grad_by_freq", Fine::False,
     frequency, noFrequency},
    {"embedding_bag", 8, "padding_idx", Fine::None,
     "leaves a row out of the bags", "export the model without padding_idx"},
    {"embedding_renorm", 2, "max_norm", Fine::Nothing,
     "shortens the rows it reads, in the parameter itself",
     "export the model with max_norm=None"},
    {"dropout", 1, "p", Fine::Zero, drops, noDropout},
    {"native_dropout", 1, "p", Fine::Zero, drops, noDropout},
    {"scaled_dot_product_attention", 4, "dropout_p", Fine::Zero, drops,
     noDropout},
    {"_scaled_dot_product_flash_attention", 3, "dropout_p", Fine::Zero, drops,
     noDropout},
    {"_scaled_dot_product_flash_attention_for_cpu", 3, "dropout_p", Fine::Zero,
     drops, noDropout},
    {"_scaled_dot_product_efficient_attention", 5, "dropout_p", Fine::Zero,
     drops, noDropout},
    {"rrelu_with_noise", 4, "training", Fine::False,
     "draws its slopes at random", evalMode},
    {"rrelu_with_noise_functional", 4, "training", Fine::False,
     "draws its slopes at random", evalMode},
    {"batch_norm", 5, "training", Fine::False, batchStatistics, evalMode},
    {"native_batch_norm", 5, "training", Fine::False, batchStatistics,
     evalMode},
    {"_native_batch_norm_legit", 5, "training", Fine::False, batchStatistics,
     evalMode},
    // The overload without running statistics.
    {"_native_batch_norm_legit", 3, "training", Fine::False,
     "normalises by the batch", evalMode},
    {"_native_batch_norm_legit_functional", 5, "training", Fine::False,
     batchStatistics, evalMode},
    {"_batch_norm_with_update", 5, "momentum", Fine::Nothing, batchStatistics,
     evalMode},
    {"_batch_norm_with_update_functional", 5, "momentum", Fine::Nothing,
     batchStatistics, evalMode},
    {"cross_entropy_loss", 5, "label_smoothing", Fine::Zero, smooths,
     noSmoothing},
    {"avg_pool2d", 6, "divisor_override", Fine::None,
     "divides by this number, not by the window's size",
     "export the model without divisor_override"},
    {"avg_pool3d", 6, "divisor_override", Fine::None,
     "divides by this number, not by the window's size",
     "export the model without divisor_override"},
    {"upsample_linear1d", 3, "scales", Fine::None, scales, noScales},
    {"upsample_bilinear2d", 3, "scales_h", Fine::None, scales, noScales},
    {"upsample_bilinear2d", 4, "scales_w", Fine::None, scales, noScales},
    {"_upsample_bilinear2d_aa", 3, "scales_h", Fine::None, scales, noScales},
    {"_upsample_bilinear2d_aa", 4, "scales_w", Fine::None, scales, noScales},
    {"upsample_bicubic2d", 3, "scales_h", Fine::None, scales, noScales},
    {"upsample_bicubic2d", 4, "scales_w", Fine::None, scales, noScales},
    {"_upsample_bicubic2d_aa", 3, "scales_h", Fine::None, scales, noScales},
    {"_upsample_bicubic2d_aa", 4, "scales_w", Fine::None, scales, noScales},
    {"upsample_trilinear3d", 3, "scales_d", Fine::None, scales, noScales},
    {"upsample_trilinear3d", 4, "scales_h", Fine::None, scales, noScales},
    {"upsample_trilinear3d", 5, "scales_w", Fine::None, scales, noScales},
};
} // namespace

static bool changesNothing(StringRef text, Fine fine) {
  double number;
  switch (fine) {
  case Fine::False:
    // Other overloads have a tensor in this place.
    return text != "True";
  case Fine::Zero:
    return !text.getAsDouble(number) && number == 0;
  case Fine::One:
    return !text.getAsDouble(number) && number == 1;
  case Fine::None:
    return text == "None" || text == "-1";
  case Fine::Nothing:
    return false;
  case Fine::NotMean:
    return text != "mean";
  }
  llvm_unreachable("a value that changes nothing");
}

/// A dropout of eval() mode, whatever its p.
static bool isSwitchedOff(const CallRecord &call) {
  return (call.target == "dropout" || call.target == "native_dropout") &&
         call.argument(2, "train") == "False";
}

static LogicalResult checkArguments(const Node &node, const CallRecord &call,
                                    Location loc) {
  for (const Dropped &entry : dropped) {
    if (call.target != entry.target || isSwitchedOff(call))
      continue;
    StringRef text = call.argument(entry.argument, entry.name);
    if (text.empty() || changesNothing(text, entry.fine))
      continue;
    return mlir::emitError(loc)
           << "node '" << node.name << "' (" << node.opType << ", scope '"
           << scopeOf(node) << "') comes from a call of '" << call.target
           << "' with " << entry.name << "=" << text << ", which "
           << entry.effect
           << "; ONNX has no place for it and it is not supported: "
           << entry.remedy;
  }
  return success();
}

/// What a parameter or buffer becomes in forward is an output of the exported
/// program, which the file does not have.
static LogicalResult checkMutations(const Graph &graph, Location loc) {
  auto signature =
      graph.metadata.find("pkg.torch.export.ExportedProgram.graph_signature");
  if (signature == graph.metadata.end())
    return success();
  llvm::StringMap<std::string> placeholders;
  for (const SignatureLine &line : parseSignature(signature->second))
    placeholders[line.target] = line.placeholder;
  auto reads = [&](const Node &node, const SignatureLine &line) {
    return llvm::is_contained(node.inputs, line.target) ||
           llvm::is_contained(parseCall(node.fxNode).values(),
                              placeholders.lookup(line.target));
  };
  for (const SignatureLine &line : parseMutations(signature->second)) {
    bool parameter = line.kind == "PARAMETER_MUTATION";
    // A counter that nothing reads changes no result.
    if (!parameter && llvm::none_of(graph.nodes, [&](const Node &node) {
          return reads(node, line);
        }))
      continue;
    return mlir::emitError(loc)
           << "the forward pass changes "
           << (parameter                        ? "parameter"
               : line.kind == "BUFFER_MUTATION" ? "buffer"
                                                : "input")
           << " '" << line.target << "' (by the value '" << line.placeholder
           << "'), which the file does not do: export a model whose forward "
              "pass leaves it as it is"
           << (parameter ? "" : ", in eval() mode for instance");
  }
  return success();
}

LogicalResult fsdp::onnx::checkDropoutMode(const Graph &graph, const Node &node,
                                           Location loc) {
  if (node.opType != "Dropout" || !node.domain.empty() ||
      graph.producer != "pytorch")
    return success();
  auto ratio = node.attributes.find("ratio");
  bool none = ratio != node.attributes.end() && ratio->second.f == 0;
  bool hasMode = node.inputs.size() > 2 && !node.inputs[2].empty();
  if (hasMode || none)
    return success();
  return mlir::emitError(loc)
         << "the node does not say whether it is in training mode; PyTorch's "
            "exporter writes it so for scaled_dot_product_attention with a "
            "dropout_p, which drops values at random and is not supported: "
            "export the model in eval() mode or with dropout 0";
}

LogicalResult fsdp::onnx::checkRecordedCalls(const Graph &graph, Location loc) {
  for (const Node &node : graph.nodes)
    if (failed(checkArguments(node, parseCall(node.fxNode), loc)))
      return failure();
  return checkMutations(graph, loc);
}
