//===- Mutation.cpp - Small changes of MLIR's text ------------------------===//
#include "test/fuzz/plan/Mutation.h"

#include <cctype>
#include <cstdlib>
#include <optional>

using namespace fsdp::fuzz;

using Tokens = std::vector<Token>;

static bool isWordChar(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' ||
         c == '.';
}

/// The end of the token that begins at `begin`, and its kind.
static std::pair<size_t, TokenKind> scan(std::string_view text, size_t begin) {
  char c = text[begin];
  size_t end = begin + 1;
  auto take = [&](auto accept) {
    while (end < text.size() && accept(text[end]))
      ++end;
  };
  if (c == '\n')
    return {end, TokenKind::Newline};
  if (c == ' ') {
    take([](char c) { return c == ' '; });
    return {end, TokenKind::Space};
  }
  if (c == '"') {
    take([](char c) { return c != '"' && c != '\n'; });
    return {std::min(end + 1, text.size()), TokenKind::String};
  }
  bool isSigil = std::string_view("%@^#!").find(c) != std::string_view::npos;
  if (!isSigil && !isWordChar(c))
    return {end, TokenKind::Mark};
  take(isWordChar);
  if (isSigil)
    return {end, TokenKind::Symbol};
  return {end, std::isdigit(static_cast<unsigned char>(c)) ? TokenKind::Number
                                                           : TokenKind::Word};
}

Tokens fsdp::fuzz::lex(std::string_view text) {
  Tokens tokens;
  for (size_t begin = 0; begin < text.size();) {
    auto [end, kind] = scan(text, begin);
    tokens.push_back({kind, std::string(text.substr(begin, end - begin))});
    begin = end;
  }
  return tokens;
}

namespace {
/// Places [begin, end) in a list of tokens.
struct Range {
  size_t begin, end;
};

class Mutator {
public:
  Mutator(Tokens &tokens, const Tokens &other, Random &random)
      : tokens(tokens), other(other), random(random) {}

  void mutate() {
    using Change = void (Mutator::*)();
    static constexpr Change changes[] = {
        &Mutator::replaceAlike,  &Mutator::replaceAlike, &Mutator::changeNumber,
        &Mutator::changeNumber,  &Mutator::insertWord,   &Mutator::removeToken,
        &Mutator::repeatToken,   &Mutator::swapAlike,    &Mutator::removeLine,
        &Mutator::repeatLine,    &Mutator::moveLine,     &Mutator::insertLine,
        &Mutator::removeBracket, &Mutator::swapBrackets, &Mutator::changeBytes};
    if (!tokens.empty())
      (this->*random.of(changes))();
  }

private:
  size_t place() { return random.below(int(tokens.size())); }

  /// A token that means something; spaces are half of a text.
  size_t placeOfContent() {
    for (int tries = 0; tries < 8; ++tries)
      if (size_t i = place(); tokens[i].kind != TokenKind::Space)
        return i;
    return place();
  }

  /// A token of kind `kind` of this text or the other; null if none is met.
  const Token *another(TokenKind kind) {
    const Tokens &from = !other.empty() && random.oneIn(4) ? other : tokens;
    for (int tries = 0; tries < 64; ++tries)
      if (const Token &token = from[random.below(int(from.size()))];
          token.kind == kind)
        return &token;
    return nullptr;
  }

  void insert(size_t at, const Tokens &some) {
    tokens.insert(tokens.begin() + at, some.begin(), some.end());
  }
  Tokens copy(Range range, const Tokens &from) {
    return Tokens(from.begin() + range.begin, from.begin() + range.end);
  }
  void erase(Range range) {
    tokens.erase(tokens.begin() + range.begin, tokens.begin() + range.end);
  }

  void replaceAlike() {
    Token &token = tokens[placeOfContent()];
    if (const Token *found = another(token.kind))
      token = Token(*found);
  }

  void changeNumber() {
    for (int tries = 0; tries < 16; ++tries) {
      Token &token = tokens[place()];
      if (token.kind != TokenKind::Number)
        continue;
      if (random.oneIn(2))
        token.text = std::to_string(std::atoll(token.text.c_str()) +
                                    random.below(5) - 2);
      else
        token.text = std::to_string(random.of(interesting));
      return;
    }
  }

  void insertWord() {
    static const char *const words[] = {"true",
                                        "false",
                                        "unit",
                                        "dense<0>",
                                        "dense<[]>",
                                        "array<i64>",
                                        "array<i64: 1, 1>",
                                        "[]",
                                        "{}",
                                        "{a = 1}",
                                        "()",
                                        "tensor<*xf32>",
                                        "tensor<?xf32>",
                                        "tensor<0xf32>",
                                        "tensor<f32>",
                                        "tensor<4xi1>",
                                        "tensor<4x!llvm.ptr>",
                                        "memref<4xf32>",
                                        "vector<4xf32>",
                                        "vector<[4]xf32>",
                                        "!llvm.void",
                                        "!llvm.struct<(i32, f32)>",
                                        "!llvm.array<4 x i8>",
                                        "i1",
                                        "i8",
                                        "i129",
                                        "i16777215",
                                        "f16",
                                        "bf16",
                                        "f80",
                                        "f8E4M3FN",
                                        "index",
                                        "none",
                                        "complex<f32>",
                                        "0x7FC00000 : f32",
                                        "1.0e+400 : f64",
                                        "loc(unknown)",
                                        "wait(%0)",
                                        "\"\"",
                                        "\"\\00\"",
                                        "\"llvm.inline_asm\"",
                                        "builtin.module {}",
                                        "^bb0:",
                                        "llvm.unreachable",
                                        "affine_map<(d0) -> (d0)>",
                                        "distinct[0]<>",
                                        "#llvm.zero",
                                        "-",
                                        "/",
                                        "//",
                                        "opaque<\"a\", \"0x00\">"};
    insert(place(), {{TokenKind::Word, random.of(words)}});
  }

  void removeToken() { tokens.erase(tokens.begin() + placeOfContent()); }

  void repeatToken() {
    size_t i = placeOfContent();
    insert(i, Tokens(1 + random.below(3), tokens[i]));
  }

  void swapAlike() {
    size_t i = placeOfContent();
    for (int tries = 0; tries < 64; ++tries)
      if (size_t j = place(); tokens[j].kind == tokens[i].kind) {
        std::swap(tokens[i].text, tokens[j].text);
        return;
      }
  }

  /// The line around a token, with its end.
  static Range lineAt(const Tokens &tokens, size_t at) {
    auto isEnd = [](const Token &token) {
      return token.kind == TokenKind::Newline;
    };
    size_t begin = at, end = at;
    while (begin > 0 && !isEnd(tokens[begin - 1]))
      --begin;
    while (end < tokens.size() && !isEnd(tokens[end]))
      ++end;
    return {begin, std::min(end + 1, tokens.size())};
  }

  void removeLine() { erase(lineAt(tokens, place())); }

  void repeatLine() {
    Range line = lineAt(tokens, place());
    insert(line.end, copy(line, tokens));
  }

  void moveLine() {
    Range line = lineAt(tokens, place());
    Tokens moved = copy(line, tokens);
    erase(line);
    insert(tokens.empty() ? 0 : lineAt(tokens, place()).begin, moved);
  }

  void insertLine() {
    const Tokens &from = other.empty() ? tokens : other;
    Tokens line = copy(lineAt(from, random.below(int(from.size()))), from);
    insert(lineAt(tokens, place()).begin, line);
  }

  /// What is between a bracket and its partner.
  std::optional<Range> someBracket() {
    static constexpr std::string_view opening = "([{<", closing = ")]}>";
    for (int tries = 0; tries < 32; ++tries) {
      size_t begin = place();
      size_t kind = opening.find(tokens[begin].text);
      if (tokens[begin].kind != TokenKind::Mark ||
          kind == std::string_view::npos)
        continue;
      int depth = 0;
      for (size_t end = begin; end < tokens.size(); ++end) {
        depth += tokens[end].text[0] == opening[kind];
        depth -= tokens[end].text[0] == closing[kind];
        if (depth == 0)
          return Range{begin + 1, end};
      }
    }
    return std::nullopt;
  }

  void removeBracket() {
    if (auto range = someBracket())
      erase(*range);
  }

  /// Puts what is between other brackets between these.
  void swapBrackets() {
    auto range = someBracket(), from = someBracket();
    if (!range || !from || from->end - from->begin > 4096)
      return;
    Tokens content = copy(*from, tokens);
    erase(*range);
    insert(range->begin, content);
  }

  void changeBytes() {
    Token &token = tokens[place()];
    token.text = changedText(token.text, token.text.size() + 4);
  }

  Tokens &tokens;
  const Tokens &other;
  Random &random;
};
} // namespace

std::string fsdp::fuzz::mutateText(std::string_view text,
                                   std::string_view other, Random &random) {
  Tokens tokens = lex(text), others = lex(other);
  Mutator mutator(tokens, others, random);
  for (int i = 0, count = 1 + random.below(4); i < count; ++i)
    mutator.mutate();
  std::string result;
  for (const Token &token : tokens)
    result += token.text;
  return result;
}
