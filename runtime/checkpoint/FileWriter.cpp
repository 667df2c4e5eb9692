//===- FileWriter.cpp - Writes a rank's file beside the training ----------===//

#include "checkpoint/FileWriter.h"

#include "core/Exceptions.h"

using namespace fsdprt;

FileWriter::FileWriter(int rank, std::vector<StoredPart> parts, ReadArena read,
                       std::function<void()> onProgress)
    : rank(rank), parts(std::move(parts)), read(std::move(read)),
      onProgress(std::move(onProgress)), staging(size_t(stagingBytes)),
      thread([this] { run(); }) {}

FileWriter::~FileWriter() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
    changed.notify_all();
  }
  thread.join();
}

void FileWriter::prepare(const std::string &into, int64_t ofStep) {
  folder = into;
  step = ofStep;
  result = Status();
  bytesRead = 0;
}

int64_t FileWriter::bytesBefore(int32_t arena, int64_t offset,
                                int64_t bytes) const {
  int64_t end = 0, needed = 0;
  for (const StoredPart &part : parts) {
    end += part.data ? 0 : part.bytes();
    bool overlaps = !part.data && part.arena == arena &&
                    part.offset < offset + bytes &&
                    offset < part.offset + part.bytes();
    if (overlaps)
      needed = end;
  }
  return needed;
}

void FileWriter::start(const std::string &into, int64_t ofStep) {
  std::lock_guard<std::mutex> lock(mutex);
  prepare(into, ofStep);
  current = State::Busy;
  changed.notify_all();
}

void FileWriter::writeNow(const std::string &into, int64_t ofStep) {
  prepare(into, ofStep);
  write();
  current = result.ok() ? State::Done : State::Failed;
}

void FileWriter::waitFor(int64_t bytes) {
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return !needs(bytes); });
}

void FileWriter::wait() {
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [this] { return current != State::Busy; });
}

/// One of the arenas' pieces; whoever waits for it is told.
Status FileWriter::readPiece(int32_t arena, int64_t offset, int64_t count,
                             void *to) {
  FSDPRT_RETURN_IF_ERROR(read(arena, offset, count, to));
  onProgress();
  std::lock_guard<std::mutex> lock(mutex);
  bytesRead += count;
  changed.notify_all();
  return Status();
}

void FileWriter::write() {
  try {
    auto file = writeRankFile(
        folder, rank, step, parts, staging.data(), stagingBytes,
        [this](int32_t arena, int64_t offset, int64_t count, void *to) {
          return readPiece(arena, offset, count, to);
        });
    result = file.status();
    if (file.ok())
      written = *file;
  } catch (...) {
    result = describeException();
  }
}

void FileWriter::run() {
  while (true) {
    {
      std::unique_lock<std::mutex> lock(mutex);
      changed.wait(lock, [this] { return stopping || current == State::Busy; });
      if (current != State::Busy)
        return;
    }
    write();
    std::lock_guard<std::mutex> lock(mutex);
    current = result.ok() ? State::Done : State::Failed;
    changed.notify_all();
  }
}
