//===- Same.h - Whether two declarations are one to a linker ----*- C++ -*-===//
//
// Our types are not NVIDIA's, so is_same does not do: opaque structs and enums
// are paired by name, everything else must be equal.
//
//===----------------------------------------------------------------------===//

#ifndef FSDP_TEST_CUDA_SAME_H
#define FSDP_TEST_CUDA_SAME_H

#include <cstddef>
#include <type_traits>

namespace fsdprt::cuda::test {

template <typename Ours, typename Theirs>
struct Same : std::is_same<Ours, Theirs> {};

template <typename Ours, typename Theirs>
struct Same<Ours *, Theirs *> : Same<Ours, Theirs> {};

template <typename Ours, typename Theirs>
struct Same<const Ours, const Theirs> : Same<Ours, Theirs> {};

template <typename... Types> struct List {};

template <> struct Same<List<>, List<>> : std::true_type {};

template <typename Ours, typename... MoreOurs, typename Theirs,
          typename... MoreTheirs>
struct Same<List<Ours, MoreOurs...>, List<Theirs, MoreTheirs...>>
    : std::conjunction<Same<Ours, Theirs>,
                       Same<List<MoreOurs...>, List<MoreTheirs...>>> {};

template <typename Result, typename... Args, typename TheirResult,
          typename... TheirArgs>
struct Same<Result(Args...), TheirResult(TheirArgs...)>
    : std::conjunction<Same<Result, TheirResult>,
                       Same<List<Args...>, List<TheirArgs...>>> {};

constexpr bool sameText(const char *a, const char *b) {
  while (*a && *a == *b)
    ++a, ++b;
  return *a == *b;
}

} // namespace fsdprt::cuda::test

#define FSDP_TEXT_(...) #__VA_ARGS__
#define FSDP_TEXT(...) FSDP_TEXT_(__VA_ARGS__)

/// Pairs our NAME with theirs; a struct of the same name or an enum whose
/// values FSDP_CHECK_VALUE compares.
#define FSDP_PAIR(OURS, THEIRS)                                                \
  template <>                                                                  \
  struct fsdprt::cuda::test::Same<fsdprt::cuda::OURS, THEIRS>                  \
      : std::true_type {};

#define FSDP_PAIR_ENUM(OURS, THEIRS)                                           \
  FSDP_PAIR(OURS, THEIRS)                                                      \
  static_assert(std::is_enum_v<THEIRS> &&                                      \
                    sizeof(fsdprt::cuda::OURS) == sizeof(THEIRS),              \
                "size of " #THEIRS);

/// Theirs may be a macro, so no scope stands before it.
#define FSDP_CHECK_VALUE(NAME, VALUE)                                          \
  static_assert((long long)(NAME) == (long long)(VALUE), "value of " #NAME);

#define FSDP_CHECK_SIZE(OURS, THEIRS)                                          \
  static_assert(sizeof(fsdprt::cuda::OURS) == sizeof(THEIRS) &&                \
                    alignof(fsdprt::cuda::OURS) == alignof(THEIRS),            \
                "size of " #THEIRS);

#define FSDP_CHECK_FIELD(OURS, THEIRS, FIELD)                                  \
  static_assert(                                                               \
      offsetof(fsdprt::cuda::OURS, FIELD) == offsetof(THEIRS, FIELD) &&        \
          sizeof(fsdprt::cuda::OURS::FIELD) == sizeof(THEIRS::FIELD),          \
      "field " #FIELD " of " #THEIRS);

#define FSDP_CHECK_PROTOTYPE(NAME, RESULT, PARAMETERS)                         \
  static_assert(Same<RESULT PARAMETERS, decltype(::NAME)>::value,              \
                "prototype of " #NAME);

#endif // FSDP_TEST_CUDA_SAME_H
