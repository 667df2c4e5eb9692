//===- DataTypes.cpp - Element types that are refused by name -------------===//
#include "dialects/Onnx/Import/ProtoTypes.h"

#include "llvm/ADT/STLExtras.h"

namespace {
struct TypeName {
  const char *name;
  /// Holds rounded values of floats, which a step of training cannot change.
  bool isQuantised = false;
};
} // namespace

/// By number, TensorProto.DataType of ONNX 1.22.
static const TypeName names[] = {{"undefined"},
                                 {"float32"},
                                 {"uint8", true},
                                 {"int8", true},
                                 {"uint16", true},
                                 {"int16", true},
                                 {"int32"},
                                 {"int64"},
                                 {"string"},
                                 {"bool"},
                                 {"float16"},
                                 {"float64"},
                                 {"uint32"},
                                 {"uint64"},
                                 {"complex64"},
                                 {"complex128"},
                                 {"bfloat16"},
                                 {"float8e4m3fn", true},
                                 {"float8e4m3fnuz", true},
                                 {"float8e5m2", true},
                                 {"float8e5m2fnuz", true},
                                 {"uint4", true},
                                 {"int4", true},
                                 {"float4e2m1", true},
                                 {"float8e8m0", true},
                                 {"uint2", true},
                                 {"int2", true}};

std::string fsdp::onnx::describeUnsupportedType(int32_t dataType) {
  if (dataType < 0 || size_t(dataType) >= std::size(names))
    return "element type number " + std::to_string(dataType) +
           ", which ONNX 1.22 does not have";
  const TypeName &type = names[dataType];
  std::string text =
      std::string("element type ") + type.name + ", which is not supported";
  if (type.isQuantised)
    text += ": a quantised model cannot be trained, export it before it is "
            "quantised";
  return text;
}
