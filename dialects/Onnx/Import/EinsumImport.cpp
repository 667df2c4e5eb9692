//===- EinsumImport.cpp - Einsum as products, sums and transposes ---------===//
//
// Operands are joined from the left, two at a time. Of two, what only one has
// and nothing later needs is summed first; then
//   "bshd,bthd->bhst"   with b, h in both and later, d in both and not later
// is a product of [b h, s, d] and [b h, d, t].
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Handlers.h"
#include "dialects/Onnx/IndexSpace.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringExtras.h"
#include <map>

using namespace mlir;
using namespace fsdp::onnx;

namespace {
/// A tensor whose dimensions have names: letters of the equation, and numbers
/// above kEllipsis, counted from the right, for what "..." stands for.
struct Named {
  Operand x;
  SmallVector<int> names;
};
constexpr int kEllipsis = 256;
using MaybeNamed = FailureOr<Named>;
using Names = SmallVector<int>;

bool has(ArrayRef<int> names, int name) {
  return llvm::is_contained(names, name);
}

/// The names of one term, "..." being `rank` less its letters; nothing where
/// it is malformed.
std::optional<Names> parseTerm(StringRef term, int64_t rank) {
  Names names;
  int64_t letters = llvm::count_if(term, [](char ch) { return ch != '.'; });
  bool seen = false;
  for (size_t i = 0; i < term.size(); ++i) {
    if (llvm::isAlpha(term[i])) {
      names.push_back(term[i]);
      continue;
    }
    if (seen || !term.substr(i).starts_with("..."))
      return std::nullopt;
    seen = true;
    i += 2;
    for (int64_t n = rank - letters; n-- > 0;)
      names.push_back(kEllipsis + n);
  }
  if (int64_t(names.size()) != rank)
    return std::nullopt;
  return names;
}

/// What "->" would name, had it been given: "..." and then, in order, the
/// letters that occur once.
Names impliedOutput(ArrayRef<int> written) {
  std::map<int, unsigned> counts;
  for (int name : written)
    ++counts[name];
  Names output;
  for (auto it = counts.rbegin(); it != counts.rend(); ++it)
    if (it->first >= kEllipsis)
      output.push_back(it->first);
  for (auto [name, count] : counts)
    if (name < kEllipsis && count == 1)
      output.push_back(name);
  return output;
}

MaybeNamed arrange(NodeContext &c, const Named &operand, ArrayRef<int> names) {
  SmallVector<int64_t> perm;
  for (int name : names)
    perm.push_back(llvm::find(operand.names, name) - operand.names.begin());
  auto x = c.e.transpose(operand.x, perm);
  if (failed(x))
    return failure();
  return Named{*x, Names(names)};
}

/// The diagonal where a name occurs twice: every (n + 1)-th of n * n elements.
MaybeNamed withoutRepeats(NodeContext &c, Named operand) {
  for (size_t i = 0; i < operand.names.size(); ++i) {
    auto twin = std::find(operand.names.begin() + i + 1, operand.names.end(),
                          operand.names[i]);
    if (twin == operand.names.end())
      continue;
    size_t j = twin - operand.names.begin();
    SmallVector<int64_t> perm, shape;
    Names names;
    for (size_t d = 0; d < operand.names.size(); ++d)
      if (d != i && d != j) {
        perm.push_back(d);
        shape.push_back(operand.x.shape()[d]);
        names.push_back(operand.names[d]);
      }
    int64_t n = operand.x.shape()[i];
    if (operand.x.shape()[j] != n)
      return c.e.error() << "Einsum names dimensions of " << operand.x.type()
                         << " alike that differ";
    perm.append({int64_t(i), int64_t(j)});
    shape.push_back(n * n);
    names.push_back(operand.names[i]);
    SmallVector<int64_t> starts(shape.size(), 0), steps(shape.size(), 1);
    steps.back() = n + 1;
    auto x = c.e.transpose(operand.x, perm);
    if (succeeded(x))
      x = c.e.reshape(*x, shape);
    shape.back() = n;
    if (succeeded(x))
      x = c.e.slice(*x, starts, steps, shape);
    return failed(x) ? MaybeNamed(failure()) : withoutRepeats(c, {*x, names});
  }
  return operand;
}

/// Sums over the dimensions whose names are in none of `kept`.
MaybeNamed sumOthers(NodeContext &c, const Named &operand,
                     ArrayRef<ArrayRef<int>> kept) {
  SmallVector<int64_t> axes;
  Names names;
  for (size_t i = 0; i < operand.names.size(); ++i) {
    int name = operand.names[i];
    if (llvm::any_of(kept, [&](ArrayRef<int> k) { return has(k, name); }))
      names.push_back(name);
    else
      axes.push_back(i);
  }
  if (axes.empty())
    return operand;
  auto x = c.e.reduce(Reduction::Sum, operand.x, axes, /*keepdims=*/false);
  return failed(x) ? MaybeNamed(failure()) : Named{*x, names};
}

int64_t extentOf(const Named &operand, int name) {
  return operand.x
      .shape()[llvm::find(operand.names, name) - operand.names.begin()];
}

/// Without dimensions of extent 1 that `other` has larger: they broadcast.
MaybeNamed withoutStretched(NodeContext &c, const Named &operand,
                            const Named &other) {
  Names names;
  SmallVector<int64_t> shape;
  for (auto [name, extent] : llvm::zip(operand.names, operand.x.shape())) {
    int64_t there = has(other.names, name) ? extentOf(other, name) : extent;
    if (extent == 1 && there != 1)
      continue;
    if (there != extent && there != 1)
      return c.e.error() << "Einsum names dimensions of extents " << extent
                         << " and " << there << " alike";
    names.push_back(name);
    shape.push_back(extent);
  }
  auto x = c.e.reshape(operand.x, shape);
  return failed(x) ? MaybeNamed(failure()) : Named{*x, names};
}

/// `operand` as [product of `a`, product of `b`, product of `c`].
MaybeOperand grouped(NodeContext &c, const Named &operand, ArrayRef<int> first,
                     ArrayRef<int> second, ArrayRef<int> third) {
  Names order;
  SmallVector<int64_t> shape;
  for (ArrayRef<int> group : {first, second, third}) {
    int64_t extent = 1;
    for (int name : group)
      extent *= extentOf(operand, name);
    shape.push_back(extent);
    llvm::append_range(order, group);
  }
  if (first.empty())
    shape.erase(shape.begin());
  auto arranged = arrange(c, operand, order);
  return failed(arranged) ? MaybeOperand(failure())
                          : c.e.reshape(arranged->x, shape);
}

/// Elementwise where nothing is summed, or of numbers that have no product of
/// matrices: [batch, free of a, summed, 1] * [batch, 1, summed, free of b].
MaybeOperand multiply(NodeContext &c, const Named &a, const Named &b,
                      ArrayRef<int> batch, ArrayRef<int> ofA, ArrayRef<int> sum,
                      ArrayRef<int> ofB) {
  Names all(batch);
  for (ArrayRef<int> group : {ofA, sum, ofB})
    llvm::append_range(all, group);
  auto spread = [&](const Named &operand) -> MaybeOperand {
    Names own;
    SmallVector<int64_t> shape;
    for (int name : all) {
      bool owns = has(operand.names, name);
      if (owns)
        own.push_back(name);
      shape.push_back(owns ? extentOf(operand, name) : 1);
    }
    auto arranged = arrange(c, operand, own);
    return failed(arranged) ? MaybeOperand(failure())
                            : c.e.reshape(arranged->x, shape);
  };
  auto x = spread(a), y = spread(b);
  if (failed(x) || failed(y))
    return failure();
  auto product = c.e.binary(Binary::Mul, *x, *y);
  SmallVector<int64_t> axes;
  for (size_t i = 0; i < sum.size(); ++i)
    axes.push_back(batch.size() + ofA.size() + i);
  if (failed(product) || axes.empty())
    return product;
  return c.e.reduce(Reduction::Sum, *product, axes, /*keepdims=*/false);
}

MaybeNamed join(NodeContext &c, const Named &left, const Named &right,
                ArrayRef<int> later) {
  auto a = withoutStretched(c, left, right);
  auto b = withoutStretched(c, right, left);
  if (failed(a) || failed(b))
    return failure();
  a = sumOthers(c, *a, {ArrayRef<int>(b->names), later});
  b = sumOthers(c, *b, {ArrayRef<int>(left.names), later});
  if (failed(a) || failed(b))
    return failure();
  Names batch, ofA, sum, ofB, result;
  for (int name : a->names)
    (!has(b->names, name) ? ofA
     : has(later, name)   ? batch
                          : sum)
        .push_back(name);
  for (int name : b->names)
    if (!has(a->names, name))
      ofB.push_back(name);
  SmallVector<int64_t> shape;
  for (ArrayRef<int> group :
       {ArrayRef<int>(batch), ArrayRef<int>(ofA), ArrayRef<int>(ofB)})
    for (int name : group) {
      result.push_back(name);
      shape.push_back(extentOf(has(a->names, name) ? *a : *b, name));
    }
  MaybeOperand product = failure();
  if (sum.empty() || !isa<FloatType>(a->x.elementType())) {
    product = multiply(c, *a, *b, batch, ofA, sum, ofB);
  } else {
    auto x = grouped(c, *a, batch, ofA, sum),
         y = grouped(c, *b, batch, sum, ofB);
    if (failed(x) || failed(y))
      return failure();
    product = c.e.matmul(*x, *y);
  }
  if (succeeded(product))
    product = c.e.reshape(*product, shape);
  return failed(product) ? MaybeNamed(failure()) : Named{*product, result};
}

/// The operands with their names, and those of the result.
FailureOr<std::vector<Named>> parse(NodeContext &c, Names &output) {
  std::string equation = c.text("equation", "");
  llvm::erase_if(equation, [](char ch) { return ch == ' '; });
  auto malformed = [&]() -> FailureOr<std::vector<Named>> {
    return c.e.error() << "Einsum has equation '" << equation
                       << "', which does not fit its " << c.in.size()
                       << " operands";
  };
  auto [inputs, result] = StringRef(equation).split("->");
  SmallVector<StringRef> terms;
  inputs.split(terms, ',');
  if (terms.size() != c.in.size())
    return malformed();
  std::vector<Named> operands;
  Names written;         // of all operands, diagonals twice
  int64_t stretched = 0; // dimensions that "..." stands for
  for (auto [term, x] : llvm::zip(terms, c.in)) {
    auto names = parseTerm(term, x.rank());
    if (!names)
      return malformed();
    stretched = std::max<int64_t>(stretched, llvm::count_if(*names, [](int n) {
                                    return n >= kEllipsis;
                                  }));
    llvm::append_range(written, *names);
    auto single = withoutRepeats(c, {x, *names});
    if (failed(single))
      return failure();
    operands.push_back(*single);
  }
  output = impliedOutput(written);
  if (!StringRef(equation).contains("->"))
    return operands;
  int64_t letters = llvm::count_if(result, [](char ch) { return ch != '.'; });
  auto names =
      parseTerm(result, letters + (result.contains('.') ? stretched : 0));
  if (!names)
    return malformed();
  output = *names;
  llvm::DenseSet<int> unique(output.begin(), output.end());
  bool known = llvm::all_of(output, [&](int name) {
    return llvm::any_of(operands,
                        [&](const Named &o) { return has(o.names, name); });
  });
  return known && unique.size() == output.size() ? operands : malformed();
}

LogicalResult einsum(NodeContext &c) {
  Names output;
  auto operands = parse(c, output);
  if (failed(operands))
    return failure();
  MaybeNamed joined = operands->front();
  for (size_t i = 1; i < operands->size() && succeeded(joined); ++i) {
    Names later = output;
    for (size_t j = i + 1; j < operands->size(); ++j)
      llvm::append_range(later, (*operands)[j].names);
    joined = join(c, *joined, (*operands)[i], later);
  }
  if (succeeded(joined))
    joined = sumOthers(c, *joined, {ArrayRef<int>(output)});
  if (succeeded(joined))
    joined = arrange(c, *joined, output);
  return failed(joined) ? failure() : c.result(joined->x);
}
} // namespace

void fsdp::onnx::addEinsumHandlers(HandlerTable &table) {
  table["Einsum"] = einsum;
}
