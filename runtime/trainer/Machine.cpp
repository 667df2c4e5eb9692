//===- Machine.cpp - What this host leaves to its ranks -------------------===//

#include "trainer/Machine.h"

#include "core/Affinity.h"
#include "trainer/Metrics.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <vector>

using namespace fsdprt;

/// The first line of a file; "" if there is none.
static std::string firstLine(const std::string &path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// A whole number; none for "max", -1 and what is no number.
static std::optional<int64_t> numberIn(const std::string &text) {
  char *end = nullptr;
  long long value = std::strtoll(text.c_str(), &end, 10);
  return end == text.c_str() || value < 0 ? std::nullopt
                                          : std::optional<int64_t>(value);
}

/// Number after `key` in a file of "key number" lines; 0 if it is not there.
static int64_t valueOf(const std::string &path, const std::string &key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.compare(0, key.size() + 1, key + " ") == 0)
      return numberIn(line.substr(key.size() + 1)).value_or(0);
  return 0;
}

//===----------------------------------------------------------------------===//
// Cgroups
//===----------------------------------------------------------------------===//

/// Folders of this process's cgroup and of those around it, innermost first.
/// `controller` is one of v1, or "" for v2.
static std::vector<std::string> cgroupFolders(const std::string &root,
                                              const std::string &controller) {
  std::string base = root + "/sys/fs/cgroup";
  if (!controller.empty())
    base += "/" + controller;
  std::string path;
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    // "0::/path" is v2, "4:cpu,cpuacct:/path" v1.
    size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos)
      continue;
    std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controller.empty()
            ? names == ",,"
            : names.find("," + controller + ",") != std::string::npos)
      path = line.substr(second + 1);
  }
  // In a container the outer part of the path may not be mounted: such folders
  // hold nothing.
  std::vector<std::string> folders;
  for (; path.size() > 1; path.resize(path.rfind('/')))
    folders.push_back(base + path);
  folders.push_back(base);
  return folders;
}

/// What is left below one cgroup's limit.
static std::optional<MemoryLimit> leftIn(const std::string &limitFile,
                                         const std::string &usageFile,
                                         const std::string &statFile,
                                         const std::string &prefix) {
  std::optional<int64_t> limit = numberIn(firstLine(limitFile));
  std::optional<int64_t> used = numberIn(firstLine(usageFile));
  // v1 writes "none" as the largest number of pages.
  if (!limit || !used || *limit >= int64_t(1) << 60)
    return std::nullopt;
  int64_t cache = valueOf(statFile, prefix + "inactive_file") +
                  valueOf(statFile, prefix + "active_file");
  return MemoryLimit{
      std::max<int64_t>(0, *limit - std::max<int64_t>(0, *used - cache)),
      "the cgroup's memory limit of " + formatBytes(*limit)};
}

std::optional<MemoryLimit> fsdprt::freeMemory(const std::string &root) {
  std::optional<MemoryLimit> least;
  auto consider = [&](std::optional<MemoryLimit> limit) {
    if (limit && (!least || limit->freeBytes < least->freeBytes))
      least = limit;
  };
  if (int64_t kilobytes = valueOf(root + "/proc/meminfo", "MemAvailable:"))
    consider(MemoryLimit{kilobytes * 1024, "MemAvailable"});
  for (const std::string &folder : cgroupFolders(root, ""))
    consider(leftIn(folder + "/memory.max", folder + "/memory.current",
                    folder + "/memory.stat", ""));
  for (const std::string &folder : cgroupFolders(root, "memory"))
    consider(leftIn(folder + "/memory.limit_in_bytes",
                    folder + "/memory.usage_in_bytes", folder + "/memory.stat",
                    "total_"));
  return least;
}

std::optional<int> fsdprt::coreQuota(const std::string &root) {
  std::optional<int> least;
  auto consider = [&](std::optional<int64_t> quota,
                      std::optional<int64_t> period) {
    if (!quota || !period || *quota <= 0 || *period <= 0)
      return;
    int cores = int(std::ceil(double(*quota) / double(*period)));
    least = std::min(least.value_or(cores), cores);
  };
  for (const std::string &folder : cgroupFolders(root, "")) {
    std::string line = firstLine(folder + "/cpu.max"); // "max 100000"
    size_t space = line.find(' ');
    if (space != std::string::npos)
      consider(numberIn(line.substr(0, space)),
               numberIn(line.substr(space + 1)));
  }
  for (const std::string &folder : cgroupFolders(root, "cpu"))
    consider(numberIn(firstLine(folder + "/cpu.cfs_quota_us")),
             numberIn(firstLine(folder + "/cpu.cfs_period_us")));
  return least;
}

//===----------------------------------------------------------------------===//
// Shares of ranks
//===----------------------------------------------------------------------===//

int fsdprt::ownCores() { return countCpus(ownCpus()); }

int fsdprt::threadsPerRank(int cores, int ownCores, int ranks,
                           std::optional<int> quota) {
  int shared = quota ? std::min(cores, *quota) : cores;
  return std::max(1, std::min(ownCores, shared / std::max(1, ranks)));
}

Status fsdprt::checkMemory(const Manifest &manifest, int ranks,
                           const std::optional<MemoryLimit> &limit) {
  int64_t planned = manifest.plannedPeakBytes;
  if (!limit || planned <= limit->freeBytes / ranks)
    return Status();
  return failure(
      "the plan does not fit into this host: ", ranks,
      ranks == 1 ? " rank" : " ranks", " of ", formatBytes(planned), " (",
      planned, " bytes) each, but ", formatBytes(limit->freeBytes), " (",
      limit->freeBytes, " bytes) are free by ", limit->origin,
      "; compile for more hosts, a smaller batch or with --recompute, or give "
      "--ignore-memory if what runs now will end or can be swapped out");
}
