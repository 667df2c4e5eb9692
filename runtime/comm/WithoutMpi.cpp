//===- WithoutMpi.cpp - A build with FSDPRT_MPI=OFF
//------------------------===//
//
// In place of MpiCommunicator.cpp. The first function is asked before any
// other; the rest fail in the same words.
//
//===----------------------------------------------------------------------===//

#include "comm/MpiCommunicator.h"

#include <unistd.h>

using namespace fsdprt;

bool fsdprt::hasMpi() { return false; }

static Status noMpi() { return failure("this fsdp-run was built without MPI"); }

Expected<std::unique_ptr<Communicator>> fsdprt::createMpiCommunicator() {
  return noMpi();
}

Expected<HostRanks> fsdprt::mpiHostRanks() { return noMpi(); }

Expected<std::string> fsdprt::mpiShareOnHost(const std::string &) {
  return noMpi();
}

void fsdprt::abortMpi() { ::_exit(1); }

void fsdprt::finalizeMpi() {}
