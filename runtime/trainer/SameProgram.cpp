//===- SameProgram.cpp - All ranks run one program ------------------------===//

#include "trainer/SameProgram.h"

#include "trainer/Failure.h"

#include <fstream>

using namespace fsdprt;

/// FNV-1a over a file, after what `hash` has seen.
static Status addFile(const std::string &path, uint64_t &hash) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> piece(1 << 16);
  uint64_t length = 0;
  auto add = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
  while (file) {
    file.read(piece.data(), std::streamsize(piece.size()));
    for (std::streamsize i = 0; i < file.gcount(); ++i)
      add(static_cast<unsigned char>(piece[i]));
    length += file.gcount();
  }
  if (!file.eof())
    return failure("cannot read '", path, "'; compile the program again");
  for (int i = 0; i < 8; ++i) // where one file ends and the next begins
    add(static_cast<unsigned char>(length >> (8 * i)));
  return Status();
}

Expected<uint64_t> fsdprt::hashProgram(const std::string &folder) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char *name : {"/manifest.json", "/program.so"})
    FSDPRT_RETURN_IF_ERROR(addFile(folder + name, hash));
  return hash;
}

std::string fsdprt::listRanks(const std::vector<size_t> &ranks) {
  const size_t most = 8;
  std::ostringstream text;
  text << (ranks.size() == 1 ? "rank " : "ranks ");
  for (size_t i = 0; i < std::min(ranks.size(), most); ++i)
    text << (i ? ", " : "") << ranks[i];
  if (ranks.size() > most)
    text << " and " << ranks.size() - most << " more";
  return text.str();
}

std::string fsdprt::describeOtherPrograms(const std::vector<int64_t> &hashes,
                                          const std::string &folder) {
  std::vector<size_t> others;
  for (size_t rank = 0; rank < hashes.size(); ++rank)
    if (hashes[rank] != hashes[0])
      others.push_back(rank);
  if (others.empty())
    return "";
  return listRanks(others) + (others.size() == 1 ? " runs" : " run") +
         " another program than rank 0: copy '" + folder + "' to every host";
}

Status fsdprt::failIfAnyDiffers(Control &control, int rank,
                                const FlightFile *flight,
                                const std::string &message) {
  if (message.empty())
    return Status();
  if (rank == 0)
    reportFailure(flight, -1, message);
  // The launcher ends all ranks soon after the first has left, and those of
  // other hosts have no part in what rank 0 prints.
  Expected<std::vector<int64_t>> barrier = control.gatherValues(0);
  if (flight)
    flight->claimReport();
  return barrier.ok() ? failure(message) : barrier.status();
}

Status fsdprt::checkSameProgram(Control &control, int rank,
                                const FlightFile *flight,
                                const std::string &folder) {
  Expected<uint64_t> hash = hashProgram(folder);
  if (!hash.ok())
    return hash.status();
  Expected<std::vector<int64_t>> hashes =
      control.gatherValues(static_cast<int64_t>(*hash));
  if (!hashes.ok())
    return hashes.status();
  return failIfAnyDiffers(control, rank, flight,
                          describeOtherPrograms(*hashes, folder));
}
