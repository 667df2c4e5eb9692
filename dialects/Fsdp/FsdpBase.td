//===- FsdpBase.td - Dialect, mesh, layouts, types ---------*- tablegen -*-===//
#ifndef FSDP_DIALECTS_FSDP_BASE
#define FSDP_DIALECTS_FSDP_BASE

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Fsdp_Dialect : Dialect {
  let name = "fsdp";
  let cppNamespace = "::fsdp::sharding";
  let summary = "who owns what, who talks when";
  let description = [{
    Parameters as shards over a device mesh and the collectives that gather
    them and reduce their gradients. Sharding is in the type: a shard is not a
    tensor, so computing on one by mistake is a type error. Meshes and layouts
    are attributes by value. See SPEC.md beside this file for every rule.
  }];
  let dependentDialects = ["::fsdp::train::TrainDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
  }];
}

class Fsdp_Attr<string name, string attrMnemonic>
    : AttrDef<Fsdp_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Fsdp_MeshAttr : Fsdp_Attr<"Mesh", "mesh"> {
  let summary = "named axes of devices, outermost first";
  let description = [{
    `#fsdp.mesh<"replicate" = 4, "shard" = 8>`: 32 ranks, rank = replicate * 8
    + shard.

    **Constraints**: (mesh_c1) names are unique; (mesh_c2) sizes are positive.
  }];
  let parameters = (ins ArrayRefParameter<"::mlir::StringAttr">:$names,
                        ArrayRefParameter<"int64_t">:$sizes);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Extent of the axis called `name`, 0 if there is none.
    int64_t getSize(::llvm::StringRef name) const;
    /// Number of ranks.
    int64_t getWorldSize() const;
  }];
}

def Fsdp_Placement : I32EnumAttr<"Placement", "how a line is cut", [
    I32EnumAttrCase<"Flat", 0, "flat">, I32EnumAttrCase<"Dim0", 1, "dim0">]> {
  let cppNamespace = "::fsdp::sharding";
}

def Fsdp_LayoutAttr : Fsdp_Attr<"Layout", "layout"> {
  let summary = "how a line of parameters is laid over mesh axes";
  let description = [{
    `#fsdp.layout<flat over ["shard"] of #mesh, [tensor<8x4xf32> at 0, tensor<8xf32> at 32]>`

    `flat`: the parameters lie one after the other, each at its offset (in
    elements, a multiple of 64 bytes). With N ranks over the axes, rank r owns
    elements [rC, (r+1)C) of that line, C = ceil(end / N) rounded up to 64
    bytes; cuts may fall inside a row. With `align = A` offsets and C are
    multiples of A elements instead, so that copies of the line in a narrower
    type have them too. `dim0`: each parameter is cut into
    ceil(rows / N) rows a rank, padded at the tail (FSDP2's placement); a
    scalar is rank 0's. Offsets are in the rank's own line. Gathered, parameter
    p begins at N times its offset, with the rows of all ranks one after the
    other.

    **Constraints**
    - (layout_c1) every axis is one of the mesh.
    - (layout_c2) all parameters are static tensors of one integer or floating
      element type, and there is at least one.
    - (layout_c3) offsets ascend, are multiples of the alignment, and parameters
      do not overlap.
    - (layout_c4) the alignment is a multiple of 64 bytes.
  }];
  let parameters = (ins "::fsdp::sharding::Placement":$placement,
                        ArrayRefParameter<"::mlir::StringAttr">:$axes,
                        "::fsdp::sharding::MeshAttr":$mesh,
                        ArrayRefParameter<"::mlir::Type">:$types,
                        ArrayRefParameter<"int64_t">:$offsets,
                        "int64_t":$align);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Number of ranks that the line is cut over.
    int64_t getNumShards() const;
    ::mlir::Type getElementType() const;
    /// Elements that one rank owns (C), padding included.
    int64_t getShardElements() const;
    /// Where parameter `i` ends in the line that its offset counts in, padding
    /// of rows included.
    int64_t getEnd(size_t i) const;
    /// The first element of parameter `i` in the gathered line.
    int64_t getGatheredOffset(size_t i) const;
    /// What a collective exchanges beside whole shards: offset and count of
    /// each parameter in the rank's own line, one after the other. Empty when
    /// it exchanges whole shards.
    ::llvm::SmallVector<int64_t> getSegments() const;
    /// Sum of the parameters' elements, padding not counted.
    int64_t getNumElements() const;
    ::mlir::RankedTensorType getTensorType(size_t i) const;
    /// The same places with parameters of element type `element`.
    LayoutAttr withElementType(::mlir::Type element) const;
  }];
}

def Fsdp_PolicyAttr : Fsdp_Attr<"Policy", "policy"> {
  let summary = "how a step treats one unit";
  let description = [{
    `#fsdp.policy<reshard_after_forward = false, prefetch_forward = 2>`; what is
    not named is as FSDP2 has it.

    `reshard_after_forward`: the gathered parameters are released after the last
    use of a visit in forward, and gathered again in backward; false: they are
    gathered once, and stay until their last use in backward.
    `prefetch_forward`, `prefetch_backward`: how many of the units behind this one
    have their all-gathers started while it computes, in each direction.

    **Constraints**
    - (policy_c1) no number is negative.
  }];
  let parameters = (ins
      DefaultValuedParameter<"bool", "true">:$reshard_after_forward,
      DefaultValuedParameter<"int64_t", "1">:$prefetch_forward,
      DefaultValuedParameter<"int64_t", "1">:$prefetch_backward);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Fsdp_LineAttr : Fsdp_Attr<"Line", "line"> {
  let summary = "a unit's parameters of one dtype and the same states";
  let description = [{
    `parameters` are the symbols, in the layout's order. A step updates them by
    the rules of `ranges` (`#train.range`), in the places that the layout's
    offsets count in: of the whole line (`flat`), or of each rank's own
    (`dim0`); without ranges the line is not trainable. `gather` is the element
    type in which a step gathers them, where it is not their own: shards of that
    type, the gather's source, are then kept beside those of the layout, the
    master. `reduce` is the element type in which gradients are summed over the
    ranks.

    **Constraints**
    - (line_c1) `gather` and `reduce` are floating types not wider than the
      parameters', and the layout's alignment is 64 bytes in either.
    - (line_c2) ranges end where a parameter begins, in order, the last where
      the last parameter ends.
    - (line_c3) the rules of all ranges have the same states.
  }];
  let parameters = (ins "::fsdp::sharding::LayoutAttr":$layout,
      ArrayRefParameter<"::mlir::StringAttr">:$parameters,
      OptionalArrayRefParameter<"::fsdp::train::RangeAttr">:$ranges,
      OptionalParameter<"::mlir::Type">:$gather,
      OptionalParameter<"::mlir::Type">:$reduce);
  let assemblyFormat = [{
    `<` `layout` `=` $layout `,` `parameters` `=` `[` $parameters `]`
    (`,` `ranges` `=` `[` $ranges^ `]`)?
    (`gather` `=` $gather^)? (`reduce` `=` $reduce^)? `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The layout of what a step gathers.
    LayoutAttr getGatherLayout() const;
    /// The layout of gradients and of their shards.
    LayoutAttr getReduceLayout() const;
    /// Whether shards are kept in a second, narrower type for gathering.
    bool hasSource() const { return getGatherLayout() != getLayout(); }
    bool getTrainable() const { return !getRanges().empty(); }
    /// The rule that parameter `i` of a trainable line goes by.
    ::fsdp::train::OptimizerRule getRule(size_t i) const;
    /// What the optimizer keeps of each parameter.
    ::llvm::SmallVector<::fsdp::train::OptimizerState> getStates() const;
  }];
}
def Fsdp_LineArrayAttr : TypedArrayAttrBase<Fsdp_LineAttr, "lines of a unit">;

class Fsdp_Type<string name, string typeMnemonic>
    : TypeDef<Fsdp_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def Fsdp_Sharded : Fsdp_Type<"Sharded", "sharded"> {
  let summary = "one rank's part of a tensor";
  let description = [{
    `!fsdp.sharded<tensor<8x4xf32>, #layout, 0>`: the global type, the layout
    of its line and its place there; the local part follows from these.

    **Constraints**: (sharded_c1) the layout's parameter `index` has the global
    type.
  }];
  let parameters = (ins "::mlir::RankedTensorType":$global,
                        "::fsdp::sharding::LayoutAttr":$layout, "int64_t":$index);
  let assemblyFormat = "`<` $global `,` $layout `,` $index `>`";
  let genVerifyDecl = 1;
}

def Fsdp_Pending : Fsdp_Type<"Pending", "pending"> {
  let summary = "the results of a collective under way";
  let parameters = (ins ArrayRefParameter<"::mlir::Type">:$types);
  let assemblyFormat = "`<` $types `>`";
}

#endif
