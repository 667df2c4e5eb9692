//===- AttentionImport.cpp - Attention and rotary embeddings --------------===//
#include "dialects/Onnx/Import/Handlers.h"
#include "dialects/Onnx/Import/MaskedRows.h"

#include <cmath>

using namespace mlir;
using namespace fsdp::onnx;

namespace {
/// [B, S, H D] as [B, H, S, D]; four dimensions stay as they are.
MaybeOperand splitHeads(Emitter &e, const Operand &x, int64_t heads) {
  if (x.rank() == 4)
    return x;
  if (x.rank() != 3 || heads <= 0 || x.shape()[2] % heads)
    return e.error() << "attention over " << x.type() << " with " << heads
                     << " heads";
  auto apart =
      e.reshape(x, {x.shape()[0], x.shape()[1], heads, x.shape()[2] / heads});
  return failed(apart) ? apart : e.transpose(*apart, {0, 2, 1, 3});
}

/// Key and value heads repeated for the query heads that share them.
MaybeOperand repeatHeads(Emitter &e, const Operand &x, int64_t heads) {
  int64_t own = x.shape()[1];
  if (own == heads)
    return x;
  if (own == 0 || heads % own)
    return e.error() << "attention has " << heads << " query heads for " << own
                     << " key heads";
  int64_t b = x.shape()[0], s = x.shape()[2], d = x.shape()[3];
  MaybeOperand y = e.reshape(x, {b, own, 1, s, d});
  if (succeeded(y))
    y = e.expand(*y, {b, own, heads / own, s, d});
  return failed(y) ? y : e.reshape(*y, {b, heads, s, d});
}

/// The mask as numbers to add to the scores.
MaybeOperand additiveMask(Emitter &e, const Operand &mask, Type element) {
  if (!mask.elementType().isInteger(1))
    return e.cast(mask, element);
  return e.where(mask, Tensor::splat(element, {}, 0),
                 Tensor::splat(element, {}, -INFINITY));
}

/// The softmax of the scores under the node's masks.
MaybeOperand probabilities(NodeContext &c, MaybeOperand scores) {
  if (failed(scores))
    return failure();
  Type element = scores->elementType();
  int64_t rows = scores->shape()[2], cols = scores->shape()[3];
  MaybeOperand mask = Operand();
  if (c.has(3))
    mask = additiveMask(c.e, c.in[3], element);
  if (c.integer("is_causal", 0)) {
    if (!c.e.checkSize({rows, cols}, /*computed=*/true))
      return failure();
    auto seen =
        c.e.once(ConstantKey("seen").add(rows).add(cols), "a mask", [&] {
          Type truth = c.e.builder.getI1Type();
          return triangle(Tensor::splat(truth, {1, 1, rows, cols}, 1), 0,
                          false);
        });
    MaybeOperand causal = additiveMask(c.e, *seen, element);
    if (failed(mask) || failed(causal))
      return failure();
    mask = mask->present() ? c.e.binary(Binary::Add, *mask, *causal) : causal;
  }
  if (failed(mask))
    return failure();
  if (!mask->present())
    return c.e.softmax(*scores);
  ConstantCache &cache = c.e.cache;
  bool hides =
      mask->constant && cache.masksARow(cache.attributeOf(mask->constant));
  bool mayHide = !mask->constant && c.in[3].elementType().isInteger(1);
  if ((hides || mayHide) && isFromSdpa(c.node))
    return maskedSoftmax(c.e, *scores, *mask, -INFINITY);
  if (hides)
    return c.e.error() << "the mask has a row without any key: its softmax is "
                          "not defined";
  MaybeOperand y = c.e.binary(Binary::Add, *scores, *mask);
  return failed(y) ? y : c.e.softmax(*y);
}

MaybeOperand scoresOf(NodeContext &c, const Operand &q, const Operand &k) {
  double scale = c.real("scale", 1.0 / std::sqrt(double(q.shape()[3])));
  MaybeOperand scaled = c.e.binary(Binary::Mul, q, c.e.scalarLike(q, scale));
  MaybeOperand turned = c.e.transpose(k, {0, 1, 3, 2});
  if (failed(scaled) || failed(turned))
    return failure();
  MaybeOperand scores = c.e.matmul(*scaled, *turned);
  double cap = c.real("softcap", 0);
  if (failed(scores) || cap == 0)
    return scores;
  scores = c.e.binary(Binary::Div, *scores, c.e.scalarLike(*scores, cap));
  if (succeeded(scores))
    scores = c.e.unary(Unary::Tanh, *scores);
  return failed(scores)
             ? scores
             : c.e.binary(Binary::Mul, *scores, c.e.scalarLike(*scores, cap));
}

LogicalResult attention(NodeContext &c) {
  // Caches of keys and values, and results beside the first, are inference's.
  for (unsigned i = 4; i < c.in.size(); ++i)
    if (c.has(i))
      return c.e.error() << "Attention has operand " << i << " ('"
                         << c.node.inputs[i]
                         << "'), a cache or a count of keys, which training "
                            "has not: export with use_cache=False";
  std::string read;
  for (unsigned i = 1; i < c.node.outputs.size(); ++i)
    if (!c.node.outputs[i].empty())
      read += (read.empty() ? "" : ", ") + std::to_string(i) + " ('" +
              c.node.outputs[i] + "')";
  if (!read.empty())
    return c.e.error() << "of the outputs 1 to 3 of Attention (keys, values "
                          "and scores) something reads "
                       << read
                       << "; only output 0 is supported: export with "
                          "use_cache=False and without output_attentions";
  bool merged = c.in[0].rank() == 3;
  MaybeOperand q = splitHeads(c.e, c.in[0], c.integer("q_num_heads", 0));
  MaybeOperand k = splitHeads(c.e, c.in[1], c.integer("kv_num_heads", 0));
  MaybeOperand v = splitHeads(c.e, c.in[2], c.integer("kv_num_heads", 0));
  if (failed(q) || failed(k) || failed(v))
    return failure();
  if (q->rank() != 4 || k->rank() != 4 || v->rank() != 4)
    return c.e.error() << "attention over " << q->type() << ", " << k->type()
                       << " and " << v->type();
  k = repeatHeads(c.e, *k, q->shape()[1]);
  v = repeatHeads(c.e, *v, q->shape()[1]);
  if (failed(k) || failed(v))
    return failure();
  // The mask comes after the softcap.
  MaybeOperand y = probabilities(c, scoresOf(c, *q, *k));
  if (succeeded(y))
    y = c.e.matmul(*y, *v);
  if (failed(y) || !merged)
    return c.result(y);
  int64_t b = y->shape()[0], h = y->shape()[1], s = y->shape()[2],
          d = y->shape()[3];
  y = c.e.transpose(*y, {0, 2, 1, 3});
  return failed(y) ? failure() : c.result(c.e.reshape(*y, {b, s, h * d}));
}

/// The table of angles for each position, as [B or 1, 1, S, D/2].
MaybeOperand anglesFor(NodeContext &c, unsigned i) {
  MaybeOperand table = c.in[i];
  if (c.has(3))
    table = c.e.gather(c.in[i], c.in[3], 0, std::nullopt);
  if (failed(table))
    return failure();
  if (table->rank() != 3)
    return c.e.error() << "RotaryEmbedding has a table of type "
                       << table->type();
  return c.e.reshape(
      *table, {table->shape()[0], 1, table->shape()[1], table->shape()[2]});
}

/// The two halves of the rotated features: the first and the second half of
/// the row, or every other one.
FailureOr<std::pair<Operand, Operand>> halves(Emitter &e, const Operand &x,
                                              bool interleaved) {
  SmallVector<int64_t> shape(x.shape()), starts(4, 0), steps(4, 1);
  shape[3] /= 2;
  steps[3] = interleaved ? 2 : 1;
  MaybeOperand a = e.slice(x, starts, steps, shape);
  starts[3] = interleaved ? 1 : shape[3];
  MaybeOperand b = e.slice(x, starts, steps, shape);
  if (failed(a) || failed(b))
    return failure();
  return std::pair(*a, *b);
}

MaybeOperand rotated(NodeContext &c, const Operand &x) {
  bool interleaved = c.integer("interleaved", 0);
  MaybeOperand cosine = anglesFor(c, 1), sine = anglesFor(c, 2);
  auto parts = halves(c.e, x, interleaved);
  if (failed(cosine) || failed(sine) || failed(parts))
    return failure();
  auto [a, b] = *parts;
  // (a cos - b sin, a sin + b cos).
  MaybeOperand ac = c.e.binary(Binary::Mul, a, *cosine),
               bs = c.e.binary(Binary::Mul, b, *sine),
               as = c.e.binary(Binary::Mul, a, *sine),
               bc = c.e.binary(Binary::Mul, b, *cosine);
  if (failed(ac) || failed(bs) || failed(as) || failed(bc))
    return failure();
  MaybeOperand real = c.e.binary(Binary::Sub, *ac, *bs),
               imaginary = c.e.binary(Binary::Add, *as, *bc);
  if (failed(real) || failed(imaginary))
    return failure();
  if (!interleaved)
    return c.e.concat({*real, *imaginary}, 3);
  SmallVector<int64_t> pairs(real->shape());
  pairs.push_back(1);
  MaybeOperand even = c.e.reshape(*real, pairs),
               odd = c.e.reshape(*imaginary, pairs);
  if (failed(even) || failed(odd))
    return failure();
  MaybeOperand both = c.e.concat({*even, *odd}, 4);
  return failed(both) ? both : c.e.reshape(*both, x.shape());
}

LogicalResult rotaryEmbedding(NodeContext &c) {
  bool merged = c.in[0].rank() == 3;
  MaybeOperand x = splitHeads(c.e, c.in[0], c.integer("num_heads", 0));
  if (failed(x))
    return failure();
  if (x->rank() != 4)
    return c.e.error() << "RotaryEmbedding of " << x->type();
  int64_t width = x->shape()[3], turned = c.integer("rotary_embedding_dim", 0);
  turned = turned ? turned : width;
  if (turned < 0 || turned > width || turned % 2)
    return c.e.error() << "RotaryEmbedding turns " << turned << " of " << width
                       << " features";
  auto parts = c.e.split(*x, 3, {turned, width - turned});
  if (failed(parts))
    return failure();
  MaybeOperand y = rotated(c, turned == width ? *x : (*parts)[0]);
  if (succeeded(y) && turned != width)
    y = c.e.concat({*y, (*parts)[1]}, 3);
  if (failed(y) || !merged)
    return c.result(y);
  y = c.e.transpose(*y, {0, 2, 1, 3});
  return failed(y) ? failure() : c.result(c.e.reshape(*y, c.in[0].shape()));
}
} // namespace

void fsdp::onnx::addAttentionHandlers(HandlerTable &table) {
  table["Attention"] = attention;
  table["RotaryEmbedding"] = rotaryEmbedding;
}
