//===- FsdpAttrs.cpp - Meshes, layouts, sharded types ---------------------===//
#include "dialects/Fsdp/Fsdp.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp::sharding;

#include "dialects/Fsdp/FsdpEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Fsdp/FsdpAttrs.cpp.inc"

void FsdpDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Fsdp/FsdpAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// MeshAttr
//===----------------------------------------------------------------------===//

int64_t MeshAttr::getSize(StringRef name) const {
  for (auto [axis, size] : llvm::zip(getNames(), getSizes()))
    if (axis.getValue() == name)
      return size;
  return 0;
}

int64_t MeshAttr::getWorldSize() const {
  int64_t world = 1;
  for (int64_t size : getSizes())
    world *= size;
  return world;
}

LogicalResult MeshAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               ArrayRef<StringAttr> names,
                               ArrayRef<int64_t> sizes) {
  llvm::StringSet<> seen;
  for (StringAttr name : names)
    if (!seen.insert(name.getValue()).second) // mesh_c1
      return emitError() << "mesh names axis " << name << " twice (mesh_c1)";
  for (int64_t size : sizes)
    if (size < 1) // mesh_c2
      return emitError() << "mesh axis has size " << size
                         << ", expected at least 1 (mesh_c2)";
  return success();
}

Attribute MeshAttr::parse(AsmParser &parser, Type) {
  SmallVector<StringAttr> names;
  SmallVector<int64_t> sizes;
  auto parseAxis = [&]() -> ParseResult {
    return failure(parser.parseAttribute(names.emplace_back()) ||
                   parser.parseEqual() ||
                   parser.parseInteger(sizes.emplace_back()));
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater,
                                     parseAxis))
    return {};
  return parser.getChecked<MeshAttr>(parser.getContext(), names, sizes);
}

void MeshAttr::print(AsmPrinter &printer) const {
  printer << "<";
  llvm::interleaveComma(
      llvm::zip(getNames(), getSizes()), printer, [&](auto axis) {
        printer << std::get<0>(axis) << " = " << std::get<1>(axis);
      });
  printer << ">";
}

//===----------------------------------------------------------------------===//
// LayoutAttr
//===----------------------------------------------------------------------===//

int64_t fsdp::sharding::lineAlignment(Type element) {
  return std::max<int64_t>(1, kLineAlignment * 8 /
                                  element.getIntOrFloatBitWidth());
}

int64_t LayoutAttr::getNumShards() const {
  int64_t shards = 1;
  for (StringAttr axis : getAxes())
    shards *= getMesh().getSize(axis.getValue());
  return shards;
}

RankedTensorType LayoutAttr::getTensorType(size_t i) const {
  return llvm::cast<RankedTensorType>(getTypes()[i]);
}

Type LayoutAttr::getElementType() const {
  return llvm::cast<RankedTensorType>(getTypes()[0]).getElementType();
}

int64_t LayoutAttr::getNumElements() const {
  int64_t elements = 0;
  for (size_t i = 0; i < getTypes().size(); ++i)
    elements += getTensorType(i).getNumElements();
  return elements;
}

/// Elements that one rank owns of a tensor cut along dimension 0.
static int64_t dim0Elements(RankedTensorType type, int64_t shards) {
  if (type.getRank() == 0)
    return 1;
  int64_t rows = llvm::divideCeil(type.getDimSize(0), shards);
  return type.getDimSize(0) == 0
             ? 0
             : type.getNumElements() / type.getDimSize(0) * rows;
}

int64_t LayoutAttr::getEnd(size_t i) const {
  RankedTensorType type = getTensorType(i);
  return getOffsets()[i] + (getPlacement() == Placement::Flat
                                ? type.getNumElements()
                                : dim0Elements(type, getNumShards()));
}

int64_t LayoutAttr::getShardElements() const {
  int64_t end = getEnd(getTypes().size() - 1);
  if (getPlacement() == Placement::Flat)
    end = llvm::divideCeil(end, getNumShards());
  return llvm::alignTo(end, getAlign());
}

int64_t LayoutAttr::getGatheredOffset(size_t i) const {
  return getOffsets()[i] *
         (getPlacement() == Placement::Flat ? 1 : getNumShards());
}

SmallVector<int64_t> LayoutAttr::getSegments() const {
  SmallVector<int64_t> segments;
  if (getPlacement() == Placement::Dim0)
    for (auto [i, offset] : llvm::enumerate(getOffsets()))
      segments.append({offset, getEnd(i) - offset});
  return segments;
}

LayoutAttr LayoutAttr::withElementType(Type element) const {
  SmallVector<Type> types;
  for (size_t i = 0; i < getTypes().size(); ++i)
    types.push_back(
        RankedTensorType::get(getTensorType(i).getShape(), element));
  return LayoutAttr::get(getContext(), getPlacement(), getAxes(), getMesh(),
                         types, getOffsets(), getAlign());
}

LayoutAttr fsdp::sharding::getPackedLayout(Placement placement, MeshAttr mesh,
                                           ArrayRef<StringAttr> axes,
                                           ArrayRef<Type> types,
                                           int64_t align) {
  int64_t shards = 1;
  for (StringAttr axis : axes)
    shards *= mesh.getSize(axis.getValue());
  SmallVector<int64_t> offsets;
  int64_t end = 0;
  for (Type type : types) {
    auto tensor = cast<RankedTensorType>(type);
    offsets.push_back(llvm::alignTo(end, align));
    end = offsets.back() + (placement == Placement::Flat
                                ? tensor.getNumElements()
                                : dim0Elements(tensor, shards));
  }
  return LayoutAttr::get(mesh.getContext(), placement, axes, mesh, types,
                         offsets, align);
}

LogicalResult LayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 Placement placement, ArrayRef<StringAttr> axes,
                                 MeshAttr mesh, ArrayRef<Type> types,
                                 ArrayRef<int64_t> offsets, int64_t align) {
  int64_t shards = 1;
  for (StringAttr axis : axes) {
    if (!mesh.getSize(axis.getValue())) // layout_c1
      return emitError() << "layout names axis " << axis
                         << ", which the mesh does not have (layout_c1)";
    if (llvm::count(axes, axis) > 1) // layout_c1
      return emitError() << "layout names axis " << axis
                         << " twice (layout_c1)";
    shards *= mesh.getSize(axis.getValue());
  }
  if (types.empty())
    return emitError() << "layout holds no parameter (layout_c2)";
  Type element = getElementTypeOrSelf(types[0]);
  if (element.isIntOrFloat() &&
      (align < 1 || align % lineAlignment(element))) // layout_c4
    return emitError() << "layout is aligned to " << align
                       << " elements, expected a multiple of "
                       << lineAlignment(element) << " (layout_c4)";
  int64_t end = 0;
  for (auto [type, offset] : llvm::zip(types, offsets)) {
    auto tensor = llvm::dyn_cast<RankedTensorType>(type);
    if (!tensor || !tensor.hasStaticShape() || !element.isIntOrFloat() ||
        tensor.getElementType() != element) // layout_c2
      return emitError() << "layout holds " << type
                         << ", expected a static tensor of " << element
                         << " like the first (layout_c2)";
    if (offset < end || offset % align) // layout_c3
      return emitError() << "layout puts " << type << " at " << offset
                         << ", expected a multiple of " << align << " from "
                         << end << " on (layout_c3)";
    end =
        offset + (placement == Placement::Flat ? tensor.getNumElements()
                                               : dim0Elements(tensor, shards));
  }
  return success();
}

Attribute LayoutAttr::parse(AsmParser &parser, Type) {
  SmallVector<StringAttr> axes;
  SmallVector<Type> types;
  SmallVector<int64_t> offsets;
  MeshAttr mesh;
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  auto parseAxis = [&] { return parser.parseAttribute(axes.emplace_back()); };
  auto parseParameter = [&]() -> ParseResult {
    return failure(parser.parseType(types.emplace_back()) ||
                   parser.parseKeyword("at") ||
                   parser.parseInteger(offsets.emplace_back()));
  };
  if (parser.parseLess() || parser.parseKeyword(&keyword) ||
      parser.parseKeyword("over") ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseAxis) ||
      parser.parseKeyword("of") || parser.parseAttribute(mesh) ||
      parser.parseComma() ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                     parseParameter))
    return {};
  Type element = types.empty() ? Type() : getElementTypeOrSelf(types[0]);
  int64_t align =
      element && element.isIntOrFloat() ? lineAlignment(element) : 1;
  if ((succeeded(parser.parseOptionalComma()) &&
       (parser.parseKeyword("align") || parser.parseEqual() ||
        parser.parseInteger(align))) ||
      parser.parseGreater())
    return {};
  auto placement = symbolizePlacement(keyword);
  if (!placement) {
    parser.emitError(loc, "unknown placement '")
        << keyword << "', expected flat or dim0";
    return {};
  }
  return parser.getChecked<LayoutAttr>(parser.getContext(), *placement, axes,
                                       mesh, types, offsets, align);
}

void LayoutAttr::print(AsmPrinter &printer) const {
  printer << "<" << stringifyPlacement(getPlacement()) << " over [";
  llvm::interleaveComma(getAxes(), printer);
  printer << "] of " << getMesh() << ", [";
  llvm::interleaveComma(
      llvm::zip(getTypes(), getOffsets()), printer, [&](auto parameter) {
        printer << std::get<0>(parameter) << " at " << std::get<1>(parameter);
      });
  printer << "]";
  if (getAlign() != lineAlignment(getElementType()))
    printer << ", align = " << getAlign();
  printer << ">";
}

//===----------------------------------------------------------------------===//
// PolicyAttr
//===----------------------------------------------------------------------===//

LogicalResult PolicyAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 bool, int64_t forward, int64_t backward) {
  if (forward < 0 || backward < 0) // policy_c1
    return emitError() << "policy prefetches " << forward
                       << " units in forward and " << backward
                       << " in backward, expected numbers of at least 0 "
                          "(policy_c1)";
  return success();
}

//===----------------------------------------------------------------------===//
// LineAttr
//===----------------------------------------------------------------------===//

LayoutAttr LineAttr::getGatherLayout() const {
  return getGather() ? getLayout().withElementType(getGather()) : getLayout();
}

LayoutAttr LineAttr::getReduceLayout() const {
  return getReduce() ? getLayout().withElementType(getReduce()) : getLayout();
}

fsdp::train::OptimizerRule LineAttr::getRule(size_t i) const {
  int64_t begin = getLayout().getOffsets()[i];
  auto range = llvm::find_if(
      getRanges(), [&](auto range) { return begin < range.getEnd(); });
  // An empty parameter at the end of the line goes by the last rule.
  return (range == getRanges().end() ? getRanges().back() : *range).getRule();
}

SmallVector<fsdp::train::OptimizerState> LineAttr::getStates() const {
  return getTrainable() ? getRanges().front().getRule().getStates()
                        : SmallVector<fsdp::train::OptimizerState>();
}

static LogicalResult verifyRanges(function_ref<InFlightDiagnostic()> emitError,
                                  LayoutAttr layout,
                                  ArrayRef<fsdp::train::RangeAttr> ranges) {
  int64_t begin = 0, last = layout.getEnd(layout.getTypes().size() - 1);
  for (fsdp::train::RangeAttr range : ranges) {
    int64_t end = range.getEnd();
    bool isLast = range == ranges.back();
    if (end < begin || (isLast ? end != last
                               : !llvm::is_contained(layout.getOffsets(),
                                                     end))) // line_c2
      return emitError() << "line has a range from " << begin << " to " << end
                         << ", expected an end where a parameter begins, and "
                            "the last at "
                         << last << " (line_c2)";
    begin = end;
    std::string states = range.getRule().getStateKey();
    std::string first = ranges.front().getRule().getStateKey();
    if (states != first) // line_c3
      return emitError() << "line has rules with states [" << first << "] and ["
                         << states << "] (line_c3)";
  }
  return success();
}

LogicalResult LineAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               LayoutAttr layout, ArrayRef<StringAttr>,
                               ArrayRef<fsdp::train::RangeAttr> ranges,
                               Type gather, Type reduce) {
  if (failed(verifyRanges(emitError, layout, ranges)))
    return failure();
  Type element = layout.getElementType();
  for (Type type : {gather, reduce}) {
    if (!type)
      continue;
    if (!llvm::isa<FloatType>(type) || !llvm::isa<FloatType>(element) ||
        type.getIntOrFloatBitWidth() > element.getIntOrFloatBitWidth() ||
        layout.getAlign() % lineAlignment(type)) // line_c1
      return emitError() << "line of " << element << " aligned to "
                         << layout.getAlign()
                         << " elements is gathered or reduced in " << type
                         << ", expected a floating type not wider, and 64 "
                            "bytes of it (line_c1)";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// ShardedType
//===----------------------------------------------------------------------===//

LogicalResult ShardedType::verify(function_ref<InFlightDiagnostic()> emitError,
                                  RankedTensorType global, LayoutAttr layout,
                                  int64_t index) {
  if (index < 0 || index >= int64_t(layout.getTypes().size()) ||
      layout.getTypes()[index] != global) // sharded_c1
    return emitError() << "layout does not hold " << global << " at place "
                       << index << " (sharded_c1)";
  return success();
}
