//===- MpiCommunicator.cpp - Ranks as MPI processes -----------------------===//

#include "comm/MpiCommunicator.h"

#include "core/Affinity.h"

// The C++ bindings, which some compilers refer to though nothing uses them.
#define MPICH_SKIP_MPICXX 1
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <unistd.h>

using namespace fsdprt;

bool fsdprt::hasMpi() { return true; }

static Status check(int code, const char *what) {
  if (code == MPI_SUCCESS)
    return Status();
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  return failure(what, " failed: ", std::string(text, length));
}

namespace {

class MpiCommunicator : public Communicator {
public:
  Status initialise();

  int rank() const override { return self; }
  int size() const override { return numRanks; }
  const char *name() const override { return "mpi"; }
  Status start(int channel, const std::vector<Transfer> &transfers) override;
  Expected<bool> test(int channel) override;

private:
  int self = 0, numRanks = 1;
  MPI_Comm comms[NumChannels];
  std::vector<MPI_Request> requests[NumChannels];
};

} // namespace

Status MpiCommunicator::initialise() {
  int provided = MPI_THREAD_SINGLE, initialised = 0;
  MPI_Initialized(&initialised);
  if (!initialised)
    FSDPRT_RETURN_IF_ERROR(
        check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided),
              "MPI_Init_thread"));
  else
    MPI_Query_thread(&provided);
  if (provided < MPI_THREAD_MULTIPLE)
    return failure("this MPI has no MPI_THREAD_MULTIPLE, which a communication "
                   "thread needs");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &self);
  MPI_Comm_size(MPI_COMM_WORLD, &numRanks);
  for (MPI_Comm &comm : comms) {
    FSDPRT_RETURN_IF_ERROR(
        check(MPI_Comm_dup(MPI_COMM_WORLD, &comm), "MPI_Comm_dup"));
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  }
  return Status();
}

Status MpiCommunicator::start(int channel,
                              const std::vector<Transfer> &transfers) {
  // MPI counts in int: longer pieces go as several messages, in order.
  constexpr int64_t chunk = int64_t(1) << 30;
  std::vector<MPI_Request> &pending = requests[channel];
  auto forEachChunk = [&](auto post) -> Status {
    for (int step = 1; step < numRanks; ++step) {
      // Neighbours first, so that not all ranks send to the same one.
      int peer = (self + step) % numRanks;
      for (size_t i = peer; i < transfers.size(); i += numRanks)
        for (int64_t at = 0; at < transfers[i].bytes; at += chunk) {
          int length = int(std::min(chunk, transfers[i].bytes - at));
          pending.push_back(MPI_REQUEST_NULL);
          FSDPRT_RETURN_IF_ERROR(
              post(peer, transfers[i], at, length, &pending.back()));
        }
    }
    return Status();
  };
  FSDPRT_RETURN_IF_ERROR(forEachChunk([&](int peer, const Transfer &transfer,
                                          int64_t at, int length,
                                          MPI_Request *request) {
    return check(MPI_Irecv(static_cast<char *>(transfer.receive) + at, length,
                           MPI_BYTE, peer, 0, comms[channel], request),
                 "MPI_Irecv");
  }));
  return forEachChunk([&](int peer, const Transfer &transfer, int64_t at,
                          int length, MPI_Request *request) {
    return check(MPI_Isend(static_cast<const char *>(transfer.send) + at,
                           length, MPI_BYTE, peer, 0, comms[channel], request),
                 "MPI_Isend");
  });
}

Expected<bool> MpiCommunicator::test(int channel) {
  std::vector<MPI_Request> &pending = requests[channel];
  int done = 0;
  FSDPRT_RETURN_IF_ERROR(check(MPI_Testall(int(pending.size()), pending.data(),
                                           &done, MPI_STATUSES_IGNORE),
                               "MPI_Testall"));
  if (done)
    pending.clear();
  return done != 0;
}

Expected<std::unique_ptr<Communicator>> fsdprt::createMpiCommunicator() {
  auto communicator = std::make_unique<MpiCommunicator>();
  FSDPRT_RETURN_IF_ERROR(communicator->initialise());
  return std::unique_ptr<Communicator>(std::move(communicator));
}

static Expected<MPI_Comm> hostCommunicator() {
  MPI_Comm host;
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  FSDPRT_RETURN_IF_ERROR(
      check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank,
                                MPI_INFO_NULL, &host),
            "MPI_Comm_split_type"));
  MPI_Comm_set_errhandler(host, MPI_ERRORS_RETURN);
  return host;
}

/// Launchers may bind each rank to cores of its own.
static Expected<int> coresOfAll(MPI_Comm host) {
  CpuMask own = ownCpus(), all = {};
  FSDPRT_RETURN_IF_ERROR(
      check(MPI_Allreduce(own.data(), all.data(), int(own.size()), MPI_BYTE,
                          MPI_BOR, host),
            "MPI_Allreduce"));
  return countCpus(all);
}

Expected<HostRanks> fsdprt::mpiHostRanks() {
  Expected<MPI_Comm> host = hostCommunicator();
  if (!host.ok())
    return host.status();
  HostRanks ranks;
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_rank(*host, &ranks.local);
  MPI_Comm_size(*host, &ranks.count);
  FSDPRT_RETURN_IF_ERROR(
      check(MPI_Allreduce(&rank, &ranks.first, 1, MPI_INT, MPI_MIN, *host),
            "MPI_Allreduce"));
  Expected<int> cores = coresOfAll(*host);
  if (!cores.ok())
    return cores.status();
  ranks.cores = *cores;
  MPI_Comm_free(&*host);
  return ranks;
}

Expected<std::string> fsdprt::mpiShareOnHost(const std::string &text) {
  Expected<MPI_Comm> host = hostCommunicator();
  if (!host.ok())
    return host.status();
  int length = int(text.size());
  FSDPRT_RETURN_IF_ERROR(
      check(MPI_Bcast(&length, 1, MPI_INT, 0, *host), "MPI_Bcast"));
  std::string shared = text;
  shared.resize(length);
  FSDPRT_RETURN_IF_ERROR(
      check(MPI_Bcast(shared.data(), length, MPI_CHAR, 0, *host), "MPI_Bcast"));
  MPI_Comm_free(&*host);
  return shared;
}

void fsdprt::finalizeMpi() { MPI_Finalize(); }

void fsdprt::abortMpi() {
  MPI_Abort(MPI_COMM_WORLD, 1);
  ::_exit(1);
}
