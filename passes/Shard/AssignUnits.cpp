//===- AssignUnits.cpp - Parameters to units, units to lines --------------===//
//
//   onnx.parameter @"h.0.w" : tensor<8x4xf32>
//   onnx.parameter @"wte" : tensor<16x4xf32>
// gains
//   fsdp.unit @"(root)" root lines [#fsdp.line<..., parameters = ["wte"], ...>]
//   fsdp.unit @"h.0" lines [#fsdp.line<..., parameters = ["h.0.w"], ...>]
//
//===----------------------------------------------------------------------===//
#include "passes/Shard/Passes.h"
#include "passes/Support/DTypes.h"
#include "passes/Support/FlagText.h"
#include "passes/Support/Step.h"
#include "passes/Support/Units.h"

#include "llvm/ADT/SetVector.h"

namespace fsdp {
#define GEN_PASS_DEF_FSDPASSIGNUNITS
#include "passes/Shard/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

namespace {
constexpr llvm::StringLiteral kRootUnit = "(root)";

/// A parameter and the rule that updates it (null when nothing does).
struct Member {
  onnx::ParameterOp op;
  train::OptimizerRule rule;
};

struct AssignUnits : public fsdp::impl::FsdpAssignUnitsBase<AssignUnits> {
  using FsdpAssignUnitsBase::FsdpAssignUnitsBase;

  void runOnOperation() override {
    FailureOr<MeshAttr> meshAttr = parseMesh();
    if (failed(meshAttr) || failed(checkPatterns()) || failed(parseTypes()) ||
        failed(parsePlacement()))
      return signalPassFailure();
    llvm::MapVector<StringRef, SmallVector<Member>> members;
    members[kRootUnit];
    for (Member &member : collectMembers())
      members[unitOf(member.op)].push_back(member);
    warnOfUnused(members);
    OpBuilder builder(&getContext());
    Operation *last = nullptr;
    for (auto parameter : getOperation().getOps<onnx::ParameterOp>())
      last = parameter;
    if (last)
      builder.setInsertionPointAfter(last);
    else
      builder.setInsertionPointToStart(getOperation().getBody());
    for (auto &[name, list] : members)
      buildUnit(builder, *meshAttr, name, list);
  }

  FailureOr<MeshAttr> parseMesh() {
    SmallVector<MeshAxis> axes;
    if (std::string problem = readMesh(mesh, axes); !problem.empty())
      return getOperation().emitError(problem);
    SmallVector<StringAttr> names;
    SmallVector<int64_t> sizes;
    for (const MeshAxis &axis : axes) {
      names.push_back(StringAttr::get(&getContext(), axis.name));
      sizes.push_back(axis.size);
    }
    return MeshAttr::get(&getContext(), names, sizes);
  }

  LogicalResult parseTypes() {
    FailureOr<FloatType> param =
        parseTrainingType(getOperation(), "--param-dtype", paramDtype);
    FailureOr<FloatType> sum =
        parseTrainingType(getOperation(), "--reduce-dtype", reduceDtype);
    if (failed(param) || failed(sum))
      return failure();
    gather = *param;
    reduce = *sum;
    return success();
  }

  LogicalResult parsePlacement() {
    std::optional<Placement> parsed = symbolizePlacement(placement);
    if (!parsed)
      return getOperation().emitError("unknown --placement '")
             << placement << "', expected flat or dim0";
    cut = *parsed;
    return success();
  }

  /// A pattern that matches no module is a mistake.
  LogicalResult checkPatterns() {
    llvm::SetVector<StringRef> modules;
    for (auto parameter : getOperation().getOps<onnx::ParameterOp>())
      for (StringRef path : enclosingModules(parameter.getSymName()))
        modules.insert(path);
    for (const std::string &pattern : units)
      if (llvm::none_of(modules, [&](StringRef path) {
            return matchesGlob(pattern, path);
          })) {
        std::vector<std::string> names;
        for (StringRef path : modules)
          names.push_back(path.str());
        return getOperation().emitError("--unit '")
               << pattern << "' matches no module"
               << suggestNames(pattern, names);
      }
    return success();
  }

  /// Inner units may take all that a module holds, and tied parameters go out
  /// to where all their modules are.
  void
  warnOfUnused(const llvm::MapVector<StringRef, SmallVector<Member>> &members) {
    for (const std::string &pattern : units)
      if (llvm::none_of(members, [&](const auto &unit) {
            return unit.first != kRootUnit && matchesGlob(pattern, unit.first);
          }))
        getOperation().emitWarning("--unit '")
            << pattern
            << "' has no effect: all parameters of the modules it matches "
               "belong to units inside of them, or are shared with modules "
               "outside";
  }

  SmallVector<Member> collectMembers() {
    llvm::StringMap<train::OptimizerRule> rules;
    if (auto step = getOperation().lookupSymbol<func::FuncOp>(kStep))
      step.walk([&](train::UpdateOp update) {
        rules[update.getParameter()] = update.getRule();
      });
    SmallVector<Member> members;
    for (auto parameter : getOperation().getOps<onnx::ParameterOp>())
      if (!parameter.getData())
        members.push_back({parameter, rules.lookup(parameter.getSymName())});
    return members;
  }

  StringRef unitOf(StringRef name) {
    StringRef unit = unitOfName(name, units);
    return unit.empty() ? StringRef(kRootUnit) : unit;
  }

  /// The nearest unit that holds all names of a (tied) parameter.
  StringRef unitOf(onnx::ParameterOp parameter) {
    StringRef unit = unitOf(parameter.getSymName());
    if (auto aliases = parameter.getAliases())
      for (auto alias : aliases->getAsValueRange<StringAttr>())
        while (unit != kRootUnit && !alias.starts_with((unit + ".").str())) {
          // The name of a parameter directly inside the next module out.
          size_t dot = unit.rfind('.');
          unit = dot == StringRef::npos ? StringRef(kRootUnit)
                                        : unitOf(unit.take_front(dot + 1));
        }
    return unit;
  }

  void buildUnit(OpBuilder &builder, MeshAttr meshAttr, StringRef name,
                 ArrayRef<Member> list) {
    // One line for each (dtype, gathered in another or not, states; null where
    // nothing is updated), in order of appearance.
    llvm::MapVector<std::tuple<Type, Type, Attribute>, SmallVector<Member>>
        groups;
    for (const Member &member : list) {
      onnx::ParameterOp op = member.op;
      Type element = op.getTensorType().getElementType();
      // Buffers are never cast.
      Type gathered = op.getBuffer() ? Type() : narrower(element, gather);
      Attribute states;
      if (member.rule)
        states = builder.getStringAttr(member.rule.getStateKey());
      groups[{element, gathered, states}].push_back(member);
    }
    SmallVector<Attribute> lines;
    for (auto &[key, group] : groups)
      lines.push_back(buildLine(meshAttr, std::get<1>(key),
                                std::get<2>(key) != nullptr, group));
    if (lines.empty())
      return;
    builder.create<UnitOp>(getOperation().getLoc(), name,
                           builder.getArrayAttr(lines), name == kRootUnit,
                           /*policy=*/nullptr);
    ++numUnits;
  }

  /// `wanted` where it is another type than f32 parameters have, else null.
  static Type narrower(Type element, Type wanted) {
    return element.isF32() && wanted != element ? wanted : Type();
  }

  /// Parameters of one rule beside each other, those that decay first, else in
  /// order of appearance.
  static void sortByRule(MutableArrayRef<Member> group) {
    llvm::SetVector<Attribute> rules;
    for (bool decays : {true, false})
      for (const Member &member : group)
        if ((member.rule.getNumber("weight_decay") != 0) == decays)
          rules.insert(member.rule);
    DenseMap<Attribute, size_t> place;
    for (auto [i, rule] : llvm::enumerate(rules))
      place[rule] = i;
    llvm::stable_sort(group, [&](const Member &a, const Member &b) {
      return place[a.rule] < place[b.rule];
    });
  }

  /// One for each rule, up to where the first parameter of the next begins.
  static SmallVector<train::RangeAttr> rangesOf(ArrayRef<Member> group,
                                                LayoutAttr layout) {
    SmallVector<train::RangeAttr> ranges;
    for (size_t i = 0; i < group.size(); ++i) {
      bool isLast = i + 1 == group.size();
      if (!isLast && group[i].rule == group[i + 1].rule)
        continue;
      int64_t end = isLast ? layout.getEnd(i) : layout.getOffsets()[i + 1];
      ranges.push_back(
          train::RangeAttr::get(layout.getContext(), end, group[i].rule));
    }
    return ranges;
  }

  LineAttr buildLine(MeshAttr meshAttr, Type lineGather, bool trainable,
                     MutableArrayRef<Member> group) {
    if (trainable)
      sortByRule(group);
    SmallVector<Type> types;
    SmallVector<StringAttr> names;
    for (Member &member : group) {
      types.push_back(member.op.getTensorType());
      names.push_back(member.op.getSymNameAttr());
    }
    // Where the line is stored, gathered or reduced in a narrower type, places
    // are the same in all.
    Type element = group.front().op.getTensorType().getElementType();
    Type lineReduce = trainable ? narrower(element, reduce) : Type();
    int64_t align = lineAlignment(element);
    for (Type type : {lineGather, lineReduce})
      align = std::max(align, type ? lineAlignment(type) : align);
    LayoutAttr layout =
        getPackedLayout(cut, meshAttr, meshAttr.getNames(), types, align);
    SmallVector<train::RangeAttr> ranges;
    if (trainable)
      ranges = rangesOf(group, layout);
    return LineAttr::get(&getContext(), layout, names, ranges, lineGather,
                         lineReduce);
  }

  Type gather, reduce; ///< null: the parameter's own
  Placement cut = Placement::Flat;
};
} // namespace
