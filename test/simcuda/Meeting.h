//===- Meeting.h - Where the ranks of a communicator meet -------*- C++ -*-===//
//
// A file of shared memory that is named by the communicator's id, over threads
// and processes of one host. It has no name any more once all ranks are there.
//
//===----------------------------------------------------------------------===//

#ifndef SIMCUDA_MEETING_H
#define SIMCUDA_MEETING_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace simcuda {

constexpr int kMaxRanks = 64;
constexpr uint64_t kWindowBytes = uint64_t(1) << 20;

/// Where a buffer lies in a registered window; -1 outside of any.
struct Placement {
  int32_t window = -1, reserved = 0;
  uint64_t offset = 0, bytes = 0;
};

/// What a rank says of the operation that it is in: equal on all ranks.
struct Header {
  uint64_t number = 0, count = 0;
  int32_t kind = 0, type = 0;
  Placement send, receive;
  char name[96] = "";

  static constexpr int kOthers = 8;
  /// How many operations were issued before it on other communicators.
  struct {
    uint64_t id, issued;
  } others[kOthers] = {};
};

/// One rank's part of the file; nobody else writes it.
struct alignas(64) Seat {
  std::atomic<uint32_t> taken;
  int32_t device;
  std::atomic<uint64_t> posted; ///< rounds whose data are in the window
  std::atomic<uint64_t> read;   ///< rounds whose data this rank has read
  Header header;                ///< valid from the post of its first round
};

class Meeting {
public:
  Meeting() = default;
  Meeting(const Meeting &) = delete;
  ~Meeting();

  /// Takes rank's seat. "" or what is wrong.
  std::string join(const std::string &name, int rank, int ranks, int device);

  /// Whether all ranks have come.
  bool isComplete() const;

  /// Two ranks on one device, or -1.
  int findDuplicate() const;

  Seat &seat(int rank) const;
  char *window(int rank) const;
  bool allPosted(uint64_t round) const;
  bool allRead(uint64_t round) const;

private:
  struct Table;
  Table *table = nullptr;
  uint64_t bytes = 0;
  int size = 0;
  std::string path;
};

} // namespace simcuda

#endif // SIMCUDA_MEETING_H
