//===- Mutation.h - Small changes of MLIR's text ----------------*- C++ -*-===//
#ifndef FSDP_TEST_FUZZ_PLAN_MUTATION_H
#define FSDP_TEST_FUZZ_PLAN_MUTATION_H

#include "test/fuzz/Random.h"

#include <string_view>
#include <vector>

namespace fsdp::fuzz {
enum class TokenKind { Space, Newline, Number, Word, String, Symbol, Mark };

/// A piece of a text; the pieces of a text in order are the text.
struct Token {
  TokenKind kind;
  std::string text;
};

/// Cuts text as MLIR's lexer does, but anything is a token.
std::vector<Token> lex(std::string_view text);

/// Applies a few small changes: to numbers, words, lines and what is between
/// brackets. Pieces come from the text itself and from `other`.
std::string mutateText(std::string_view text, std::string_view other,
                       Random &random);
} // namespace fsdp::fuzz

#endif // FSDP_TEST_FUZZ_PLAN_MUTATION_H
