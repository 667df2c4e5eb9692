//===- FileWriter.h - Writes a rank's file beside the training --*- C++ -*-===//

#ifndef FSDPRT_CHECKPOINT_FILEWRITER_H
#define FSDPRT_CHECKPOINT_FILEWRITER_H

#include "checkpoint/RankFile.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace fsdprt {

/// A thread that writes the rank's file of one checkpoint after the other. Made
/// before the training, with the memory that it copies through: neither may be
/// missing when there is work to lose.
class FileWriter {
public:
  enum class State : int32_t { Idle, Busy, Done, Failed };

  /// `onProgress` is called by the thread as it goes.
  FileWriter(int rank, std::vector<StoredPart> parts, ReadArena read,
             std::function<void()> onProgress);
  ~FileWriter();

  /// Begins the file of a step in `folder`. The writer is not busy.
  void start(const std::string &folder, int64_t step);
  /// The same by the caller's thread: it is there when this returns.
  void writeNow(const std::string &folder, int64_t step);

  /// Busy until the file is on the disk; then what has become of it, till the
  /// next one is started.
  State state() const { return current; }
  const Status &status() const { return result; }
  const WrittenFile &file() const { return written; }

  /// As of SaveGate.
  int64_t bytesBefore(int32_t arena, int64_t offset, int64_t bytes) const;
  void waitFor(int64_t bytes);
  /// Whether waitFor would wait.
  bool needs(int64_t bytes) const {
    return current == State::Busy && bytesRead < bytes;
  }
  /// Returns when the writer is not busy.
  void wait();

  /// Of the memory that it copies through.
  static constexpr int64_t stagingBytes = 4 << 20;

private:
  void run();
  void prepare(const std::string &folder, int64_t step);
  void write();
  Status readPiece(int32_t arena, int64_t offset, int64_t count, void *to);

  const int rank;
  const std::vector<StoredPart> parts;
  const ReadArena read;
  const std::function<void()> onProgress;
  std::vector<char> staging;
  std::string folder;
  int64_t step = 0;

  std::mutex mutex;
  std::condition_variable changed;
  std::atomic<State> current{State::Idle};
  std::atomic<int64_t> bytesRead{0}; // of the arenas
  bool stopping = false;
  Status result;
  WrittenFile written;
  std::thread thread;
};

} // namespace fsdprt

#endif // FSDPRT_CHECKPOINT_FILEWRITER_H
