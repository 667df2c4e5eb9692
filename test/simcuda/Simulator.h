//===- Simulator.h - Everything that a process simulates --------*- C++ -*-===//
//
// libcublasLt and libnccl are built on this: it is what they need of the
// driver beside its public functions.
//
//===----------------------------------------------------------------------===//

#ifndef SIMCUDA_SIMULATOR_H
#define SIMCUDA_SIMULATOR_H

#include "test/simcuda/Device.h"
#include "test/simcuda/Memory.h"
#include "test/simcuda/Settings.h"

#include <mutex>

namespace simcuda {

struct Simulator {
  Settings settings = Settings::fromEnvironment();
  std::vector<std::unique_ptr<Device>> devices; ///< empty until cuInit
  Memory memory;
  /// For faults on request.
  int64_t allocations = 0, launches = 0, products = 0;
  std::list<std::weak_ptr<Capture>> captures;
  std::vector<uint64_t> ncclMemory; ///< addresses that ncclMemAlloc gave
};

/// Held by every call: a process simulates one thing at a time.
std::recursive_mutex &mutex();

/// The mutex, for a call of this function; with SIMCUDA_CALLS=FILE it becomes a
/// line of it, after the process' number.
std::unique_lock<std::recursive_mutex> enter(const char *function);
Simulator &simulator();

/// The current context's device; null if the thread has none.
Device *currentDevice();

/// What fsdp_simulated_operation said of this thread's next operation.
struct Announcement {
  bool made = false;
  std::string name, unit;
  std::vector<Range> ranges;
};
Announcement takeAnnouncement();
void setAnnouncement(Announcement announcement);

/// Enqueues, or adds to the graph that the stream is captured into. An
/// announcement gives the task its name; `task.ranges`, what the call touches
/// as far as it knows, must lie within the announced ranges.
CUresult enqueue(CUstream stream, Task task);

/// Whether the call may be made now, though work is captured: calls that would
/// wait for the device, or allocate, may not.
CUresult checkNotCaptured();

/// Device memory for `device`, or CUDA_ERROR_OUT_OF_MEMORY.
CUresult allocate(Device &device, uint64_t bytes, uint64_t &address);
CUresult release(Device &device, uint64_t address);

/// What a library's handle takes for itself, for good: SIMCUDA_LIBRARY_MEMORY.
/// False where the device has less.
bool takeLibraryMemory(Device &device);

/// The bytes behind an address that `device` may touch; null if some are not
/// its own. `what` is said if so.
char *translate(const Device &device, uint64_t address, uint64_t bytes,
                const Identity &who);

/// False, and said, if bytes of it were never written.
bool checkWritten(uint64_t address, uint64_t bytes, const Identity &who);
void markWritten(uint64_t address, uint64_t bytes);

/// Fills with what is no number, and forgets that anything was written.
void makeGarbage(uint64_t address, uint64_t bytes);

/// One wrong byte in the middle of a result, of an element's highest if these
/// are floats or whole numbers of at most 8 bytes.
void corrupt(char *begin, uint64_t bytes);

/// Waits, with the mutex released, for what other threads and processes do.
void pause(std::unique_lock<std::recursive_mutex> &lock);

} // namespace simcuda

#endif // SIMCUDA_SIMULATOR_H
