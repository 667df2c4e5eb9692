//===- Status.h - The runtime's one way to report failure -------*- C++ -*-===//
//
// Every runtime function that can fail returns a Status (or an Expected): no
// abort, no exception across a C frame. A message is lower case, without full
// stop, and says what, where, what was expected and what to do.
//
//===----------------------------------------------------------------------===//

#ifndef FSDPRT_CORE_STATUS_H
#define FSDPRT_CORE_STATUS_H

#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

namespace fsdprt {

class [[nodiscard]] Status {
public:
  Status() = default;

  static Status failure(std::string message) {
    Status status;
    status.text = std::make_shared<const std::string>(std::move(message));
    return status;
  }

  bool ok() const { return !text; }
  const std::string &message() const {
    static const std::string none;
    return text ? *text : none;
  }

private:
  std::shared_ptr<const std::string> text; // null: success
};

/// A failure whose message is the concatenation of the arguments.
template <typename... Args> Status failure(const Args &...args) {
  std::ostringstream stream;
  (stream << ... << args);
  return Status::failure(stream.str());
}

/// A value, or the reason why there is none.
template <typename T> class [[nodiscard]] Expected {
public:
  Expected(T value) : value(std::move(value)) {}
  Expected(Status status) : error(std::move(status)) {}

  bool ok() const { return value.has_value(); }
  const Status &status() const { return error; }
  T &operator*() { return *value; }
  const T &operator*() const { return *value; }
  T *operator->() { return &*value; }
  const T *operator->() const { return &*value; }

private:
  std::optional<T> value;
  Status error;
};

} // namespace fsdprt

#define FSDPRT_RETURN_IF_ERROR(EXPRESSION)                                     \
  do {                                                                         \
    if (::fsdprt::Status status_ = (EXPRESSION); !status_.ok())                \
      return status_;                                                          \
  } while (false)

#endif // FSDPRT_CORE_STATUS_H
