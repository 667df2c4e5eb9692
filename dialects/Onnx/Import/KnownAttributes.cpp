//===- KnownAttributes.cpp - The attributes of ONNX's operators -----------===//
#include "dialects/Onnx/Import/Versions.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace fsdp::onnx;
using llvm::StringRef;

namespace {
struct Known {
  const char *opType, *attributes;
};
} // namespace

// Of all versions that opset 7 and newer ones of ONNX 1.22 define
// (onnx.defs.get_all_schemas_with_history of the default domain); operators
// without any are left out.
static const Known known[] = {
    {"AffineGrid", "align_corners"},
    {"ArgMax", "axis keepdims select_last_index"},
    {"ArgMin", "axis keepdims select_last_index"},
    {"Attention", "is_causal kv_num_heads q_num_heads qk_matmul_output_mode "
                  "scale softcap softmax_precision"},
    {"AveragePool", "auto_pad ceil_mode count_include_pad dilations "
                    "kernel_shape pads strides"},
    {"BatchNormalization", "epsilon momentum spatial training_mode"},
    {"Bernoulli", "dtype seed"},
    {"BitCast", "to"},
    {"BitShift", "direction"},
    {"BlackmanWindow", "output_datatype periodic"},
    {"Cast", "round_mode saturate to"},
    {"CastLike", "round_mode saturate"},
    {"CausalConvWithState", "activation"},
    {"Celu", "alpha"},
    {"CenterCropPad", "axes"},
    {"Clip", "max min"},
    {"Col2Im", "dilations pads strides"},
    {"Compress", "axis"},
    {"Concat", "axis"},
    {"ConcatFromSequence", "axis new_axis"},
    {"Constant", "sparse_value value value_float value_floats value_int "
                 "value_ints value_string value_strings"},
    {"ConstantOfShape", "value"},
    {"Conv", "auto_pad dilations group kernel_shape pads strides"},
    {"ConvInteger", "auto_pad dilations group kernel_shape pads strides"},
    {"ConvTranspose", "auto_pad dilations group kernel_shape output_padding "
                      "output_shape pads strides"},
    {"CumProd", "exclusive reverse"},
    {"CumSum", "exclusive reverse"},
    {"DFT", "axis inverse onesided"},
    {"DeformConv", "dilations group kernel_shape offset_group pads strides"},
    {"DepthToSpace", "blocksize mode"},
    {"DequantizeLinear", "axis block_size output_dtype"},
    {"Dropout", "ratio seed"},
    {"Einsum", "equation"},
    {"Elu", "alpha"},
    {"EyeLike", "dtype k"},
    {"Flatten", "axis"},
    {"GRU", "activation_alpha activation_beta activations clip direction "
            "hidden_size layout linear_before_reset"},
    {"Gather", "axis"},
    {"GatherElements", "axis"},
    {"GatherND", "batch_dims"},
    {"Gelu", "approximate"},
    {"Gemm", "alpha beta transA transB"},
    {"GlobalLpPool", "p"},
    {"GridSample", "align_corners mode padding_mode"},
    {"GroupNormalization", "epsilon num_groups stash_type"},
    {"HammingWindow", "output_datatype periodic"},
    {"HannWindow", "output_datatype periodic"},
    {"HardSigmoid", "alpha beta"},
    {"Hardmax", "axis"},
    {"If", "else_branch then_branch"},
    {"ImageDecoder", "pixel_format"},
    {"InstanceNormalization", "epsilon"},
    {"IsInf", "detect_negative detect_positive"},
    {"LRN", "alpha beta bias size"},
    {"LSTM", "activation_alpha activation_beta activations clip direction "
             "hidden_size input_forget layout"},
    {"LayerNormalization", "axis epsilon stash_type"},
    {"LeakyRelu", "alpha"},
    {"LinearAttention",
     "chunk_size kv_num_heads q_num_heads scale update_rule"},
    {"LogSoftmax", "axis"},
    {"Loop", "body"},
    {"LpNormalization", "axis p"},
    {"LpPool", "auto_pad ceil_mode dilations kernel_shape p pads strides"},
    {"MaxPool",
     "auto_pad ceil_mode dilations kernel_shape pads storage_order strides"},
    {"MaxRoiPool", "pooled_shape spatial_scale"},
    {"MaxUnpool", "kernel_shape pads strides"},
    {"MeanVarianceNormalization", "axes"},
    {"MelWeightMatrix", "output_datatype"},
    {"Mod", "fmod"},
    {"Multinomial", "dtype sample_size seed"},
    {"NegativeLogLikelihoodLoss", "ignore_index reduction"},
    {"NonMaxSuppression", "center_point_box"},
    {"OneHot", "axis"},
    {"Optional", "type"},
    {"Pad", "mode pads value"},
    {"QLinearConv", "auto_pad dilations group kernel_shape pads strides"},
    {"QuantizeLinear", "axis block_size output_dtype precision saturate"},
    {"RMSNormalization", "axis epsilon stash_type"},
    {"RNN", "activation_alpha activation_beta activations clip direction "
            "hidden_size layout"},
    {"RandomNormal", "dtype mean scale seed shape"},
    {"RandomNormalLike", "dtype mean scale seed"},
    {"RandomUniform", "dtype high low seed shape"},
    {"RandomUniformLike", "dtype high low seed"},
    {"Range", "stash_type"},
    {"ReduceL1", "axes keepdims noop_with_empty_axes"},
    {"ReduceL2", "axes keepdims noop_with_empty_axes"},
    {"ReduceLogSum", "axes keepdims noop_with_empty_axes"},
    {"ReduceLogSumExp", "axes keepdims noop_with_empty_axes"},
    {"ReduceMax", "axes keepdims noop_with_empty_axes"},
    {"ReduceMean", "axes keepdims noop_with_empty_axes"},
    {"ReduceMin", "axes keepdims noop_with_empty_axes"},
    {"ReduceProd", "axes keepdims noop_with_empty_axes"},
    {"ReduceSum", "axes keepdims noop_with_empty_axes"},
    {"ReduceSumSquare", "axes keepdims noop_with_empty_axes"},
    {"RegexFullMatch", "pattern"},
    {"Reshape", "allowzero"},
    {"Resize", "antialias axes coordinate_transformation_mode cubic_coeff_a "
               "exclude_outside extrapolation_value keep_aspect_ratio_policy "
               "mode nearest_mode"},
    {"ReverseSequence", "batch_axis time_axis"},
    {"RoiAlign", "coordinate_transformation_mode mode output_height "
                 "output_width sampling_ratio spatial_scale"},
    {"RotaryEmbedding", "interleaved num_heads rotary_embedding_dim"},
    {"STFT", "onesided"},
    {"Scan", "body directions num_scan_inputs scan_input_axes "
             "scan_input_directions scan_output_axes scan_output_directions"},
    {"Scatter", "axis"},
    {"ScatterElements", "axis reduction"},
    {"ScatterND", "reduction"},
    {"Selu", "alpha gamma"},
    {"SequenceEmpty", "dtype"},
    {"SequenceMap", "body"},
    {"Shape", "end start"},
    {"Shrink", "bias lambd"},
    {"Slice", "axes ends starts"},
    {"Softmax", "axis"},
    {"SoftmaxCrossEntropyLoss", "ignore_index reduction"},
    {"SpaceToDepth", "blocksize"},
    {"Split", "axis num_outputs split"},
    {"SplitToSequence", "axis keepdims"},
    {"Squeeze", "axes"},
    {"StringNormalizer",
     "case_change_action is_case_sensitive locale stopwords"},
    {"StringSplit", "delimiter maxsplit"},
    {"Swish", "alpha"},
    {"TensorScatter", "axis mode"},
    {"TfIdfVectorizer",
     "max_gram_length max_skip_count min_gram_length mode ngram_counts "
     "ngram_indexes pool_int64s pool_strings weights"},
    {"ThresholdedRelu", "alpha"},
    {"TopK", "axis k largest sorted"},
    {"Transpose", "perm"},
    {"Trilu", "upper"},
    {"Unique", "axis sorted"},
    {"Unsqueeze", "axes"},
    {"Upsample", "mode scales"},
};

bool fsdp::onnx::isKnownAttribute(StringRef opType, StringRef attribute) {
  static const llvm::StringMap<llvm::StringSet<>> table = [] {
    llvm::StringMap<llvm::StringSet<>> sets;
    for (const Known &entry : known) {
      llvm::SmallVector<StringRef> names;
      StringRef(entry.attributes).split(names, ' ');
      for (StringRef name : names)
        sets[entry.opType].insert(name);
    }
    return sets;
  }();
  auto it = table.find(opType);
  return it != table.end() && it->second.contains(attribute);
}
