//===- Collective.cpp - Collectives, in rounds over shared memory ---------===//
//
// In each round every rank puts a piece into its window and says so, waits for
// all others to have done the same, and reads their windows. Nothing waits
// inside: what cannot go on is called again.
//
//===----------------------------------------------------------------------===//

#include "runtime/abi/fsdprt.h"
#include "test/simcuda/Capture.h"
#include "test/simcuda/Communicator.h"
#include "test/simcuda/Sum.h"

#include <cstdio>
#include <cstring>
#include <map>

using namespace simcuda;
using namespace fsdprt::cuda;

const char *simcuda::nameOf(Kind kind) {
  switch (kind) {
  case Kind::AllGather:
    return "ncclAllGather";
  case Kind::ReduceScatter:
    return "ncclReduceScatter";
  case Kind::AllReduce:
    return "ncclAllReduce";
  }
  return "";
}

uint64_t simcuda::sendBytes(const Call &call, int ranks) {
  return call.count * bytesOf(call.type) *
         (call.kind == Kind::ReduceScatter ? ranks : 1);
}

uint64_t simcuda::receiveBytes(const Call &call, int ranks) {
  return call.count * bytesOf(call.type) *
         (call.kind == Kind::AllGather ? ranks : 1);
}

namespace {
/// Operations that each communicator of a device had been asked for when one
/// was: their order is to be the same on all ranks.
using Issued = std::map<uint64_t, uint64_t>;

class Collective {
public:
  Collective(CommunicatorRef comm, Call call, Issued others,
             const IdentityRef &who)
      : comm(std::move(comm)), call(std::move(call)), others(std::move(others)),
        who(who), size(bytesOf(this->call.type)) {}

  CUresult progress();

private:
  bool begin();
  bool post();
  bool take();
  void putPiece(uint64_t offset, uint64_t bytes);
  void readPieces(uint64_t offset, uint64_t bytes);
  bool agrees(int other);
  uint64_t pieceBytes() const;
  uint64_t partBytes() const { return call.count * size; }
  CUresult end();
  /// Whether faults on request are this rank's.
  bool isMine() const {
    int64_t rank = simulator().settings.faultRank;
    return rank < 0 || rank == comm->rank;
  }

  CommunicatorRef comm;
  Call call;
  Issued others;
  IdentityRef who;
  uint64_t size;
  const char *source = nullptr;
  char *target = nullptr;
  bool begun = false, posted = false, failed = false;
  uint64_t done = 0; ///< bytes of each part
};
} // namespace

/// As much of each part as fits into a window.
uint64_t Collective::pieceBytes() const {
  uint64_t room = kWindowBytes;
  if (call.kind == Kind::ReduceScatter)
    room /= comm->ranks;
  return std::min(room / size * size, partBytes() - done);
}

/// False if the operation must not begin, now or at all.
bool Collective::begin() {
  // A rank that is still in the operation before may read this one's header.
  if (comm->running || !comm->meeting.allRead(comm->round))
    return false;
  const Settings &settings = simulator().settings;
  uint64_t number = comm->started + 1;
  if (isMine() && int64_t(number) == settings.loseCollective)
    return false; // this rank never comes
  comm->running = this;
  comm->started = number;
  if (isMine() && int64_t(number) == settings.failCollective) {
    comm->fail(ncclRemoteError, "as SIMCUDA_FAIL_COLLECTIVE asks");
    return false;
  }
  source =
      translate(*comm->device, call.send, sendBytes(call, comm->ranks), *who);
  target = translate(*comm->device, call.receive,
                     receiveBytes(call, comm->ranks), *who);
  failed = !source || !target;
  Header &header = comm->meeting.seat(comm->rank).header;
  header = Header();
  header.number = number;
  header.count = call.count;
  header.kind = int(call.kind);
  header.type = call.type;
  header.send = comm->placement(call.send, sendBytes(call, comm->ranks));
  header.receive =
      comm->placement(call.receive, receiveBytes(call, comm->ranks));
  std::snprintf(header.name, sizeof header.name, "%s", who->print().c_str());
  int i = 0;
  for (auto [id, issued] : others)
    if (i < Header::kOthers)
      header.others[i++] = {id, issued};
  return begun = true;
}

void Collective::putPiece(uint64_t offset, uint64_t bytes) {
  char *window = comm->meeting.window(comm->rank);
  if (call.kind != Kind::ReduceScatter) {
    std::memcpy(window, source + offset, bytes);
    return;
  }
  for (int r = 0; r < comm->ranks; ++r)
    std::memcpy(window + r * bytes, source + r * partBytes() + offset, bytes);
}

/// False while a rank still reads the piece before.
bool Collective::post() {
  if (!comm->meeting.allRead(comm->round))
    return false;
  putPiece(done, pieceBytes());
  ++comm->round;
  comm->meeting.seat(comm->rank)
      .posted.store(comm->round, std::memory_order_release);
  return posted = true;
}

/// Sums are in rank order, equal on all ranks.
void Collective::readPieces(uint64_t offset, uint64_t bytes) {
  const Meeting &meeting = comm->meeting;
  uint64_t from = call.kind == Kind::ReduceScatter ? comm->rank * bytes : 0;
  for (int r = 0; r < comm->ranks; ++r) {
    const char *piece = meeting.window(r) + from;
    if (call.kind == Kind::AllGather)
      std::memcpy(target + r * partBytes() + offset, piece, bytes);
    else if (r == 0)
      std::memcpy(target + offset, piece, bytes);
    else
      addTo(target + offset, piece, bytes / size, call.type);
  }
}

static std::string difference(const Header &mine, const Header &theirs) {
  if (mine.number != theirs.number)
    return "they are operations " + std::to_string(mine.number) + " and " +
           std::to_string(theirs.number) + " of the communicator";
  if (mine.kind != theirs.kind)
    return "they are different collectives";
  if (mine.type != theirs.type)
    return "their types are " + std::to_string(mine.type) + " and " +
           std::to_string(theirs.type);
  if (mine.count != theirs.count)
    return "their counts are " + std::to_string(mine.count) + " and " +
           std::to_string(theirs.count);
  auto apart = [](const Placement &a, const Placement &b) {
    return a.window != b.window || a.offset != b.offset || a.bytes != b.bytes;
  };
  if (apart(mine.send, theirs.send) || apart(mine.receive, theirs.receive))
    return "their buffers lie elsewhere in the registered windows";
  for (const auto &a : mine.others)
    for (const auto &b : theirs.others)
      if (a.id && a.id == b.id && a.issued != b.issued)
        return "they are issued after " + std::to_string(a.issued) + " and " +
               std::to_string(b.issued) + " operations of another communicator";
  return "";
}

bool Collective::agrees(int other) {
  const Header &mine = comm->meeting.seat(comm->rank).header;
  const Header &theirs = comm->meeting.seat(other).header;
  std::string what = difference(mine, theirs);
  if (what.empty())
    return true;
  std::string text = "rank " + std::to_string(comm->rank) + " is in " +
                     mine.name + ", rank " + std::to_string(other) + " in " +
                     theirs.name + ": " + what;
  report("%s", text.c_str());
  comm->fail(ncclInvalidUsage, text);
  return false;
}

/// False while a rank has not come to this round.
bool Collective::take() {
  const Meeting &meeting = comm->meeting;
  if (!meeting.allPosted(comm->round))
    return false;
  for (int r = 0; done == 0 && r < comm->ranks; ++r)
    if (!agrees(r))
      return false;
  uint64_t bytes = pieceBytes();
  readPieces(done, bytes);
  done += bytes;
  meeting.seat(comm->rank).read.store(comm->round, std::memory_order_release);
  posted = false;
  return true;
}

CUresult Collective::end() {
  if (begun && comm->running == this)
    comm->running = nullptr;
  if (!comm->aborted)
    markWritten(call.receive, receiveBytes(call, comm->ranks));
  if (target && isMine() &&
      int64_t(comm->started) == simulator().settings.wrongCollective)
    corrupt(target, receiveBytes(call, comm->ranks));
  return CUDA_SUCCESS;
}

CUresult Collective::progress() {
  if (comm->aborted)
    return end();
  if (comm->state != ncclSuccess && comm->state != ncclInProgress)
    return CUDA_ERROR_NOT_READY; // until it is aborted
  if (!begun && !begin())
    return CUDA_ERROR_NOT_READY;
  if (failed)
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  while (done < partBytes()) {
    if (!posted && !post())
      return CUDA_ERROR_NOT_READY;
    if (!take())
      return CUDA_ERROR_NOT_READY;
  }
  return end();
}

ncclResult_t simcuda::enqueueCall(const CommunicatorRef &comm,
                                  const Call &call) {
  Issued &issued = call.stream->capture ? call.stream->capture->issued
                                        : comm->device->issued;
  Issued others = issued;
  others.erase(comm->id);
  ++issued[comm->id];
  Task task;
  task.name = nameOf(call.kind);
  task.isCollective = true;
  task.ranges = {
      {call.send, sendBytes(call, comm->ranks), FSDPRT_ACCESS_READ},
      {call.receive, receiveBytes(call, comm->ranks), FSDPRT_ACCESS_WRITE}};
  task.begin = [=](const Task &, const IdentityRef &who) -> Work {
    auto work = std::make_shared<Collective>(comm, call, others, who);
    return [work] { return work->progress(); };
  };
  setAnnouncement(call.announcement);
  if (enqueue(call.stream, std::move(task)) == CUDA_SUCCESS)
    return ncclSuccess;
  comm->fail(ncclUnhandledCudaError, "the driver refused the operation");
  return ncclUnhandledCudaError;
}
