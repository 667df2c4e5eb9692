//===- Metrics.cpp - What a step tells ------------------------------------===//

#include "trainer/Metrics.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

Expected<MetricsFile> MetricsFile::create(const std::string &path) {
  MetricsFile file;
  file.path = path;
  file.fd =
      ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
  if (file.fd < 0)
    return failure("cannot write metrics to '", path,
                   "': ", std::strerror(errno));
  return file;
}

MetricsFile::~MetricsFile() {
  if (fd >= 0)
    ::close(fd);
}

/// JSON has no NaN and no infinity.
static nlohmann::ordered_json finiteOrNull(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value)
                              : nlohmann::ordered_json(nullptr);
}

Status MetricsFile::write(const StepMetrics &metrics) {
  nlohmann::ordered_json json = {
      {"step", metrics.step + 1}, // people count from 1
      {"loss", finiteOrNull(metrics.loss)},
      {"grad_norm", finiteOrNull(metrics.gradNorm)},
      {"lr", finiteOrNull(metrics.learningRate)},
      {"step_ms", finiteOrNull(metrics.milliseconds)},
      {"exposed_comm_ms", finiteOrNull(metrics.exposedMilliseconds)},
      {"tokens_per_s", finiteOrNull(metrics.tokensPerSecond)},
      {"planned_peak_bytes", metrics.plannedPeakBytes},
      {"measured_peak_bytes", metrics.measuredPeakBytes},
      {"gathered_bytes", metrics.gatheredBytes},
      {"reduced_bytes", metrics.reducedBytes},
      {"local_copy_bytes", metrics.localCopyBytes}};
  if (metrics.hostMilliseconds)
    json["host_ms"] = finiteOrNull(*metrics.hostMilliseconds);
  if (metrics.mfu)
    json["mfu"] = finiteOrNull(*metrics.mfu);
  if (metrics.deviceMemory) {
    json["library_bytes"] = metrics.deviceMemory->libraries;
    json["free_bytes"] = metrics.deviceMemory->left();
    json["staging_bytes"] = metrics.deviceMemory->staging;
  }
  std::string line = json.dump() + "\n";
  ssize_t written = ::write(fd, line.data(), line.size());
  if (written == ssize_t(line.size()))
    return Status();
  int error = written < 0 ? errno : ENOSPC;
  // Not even half a line stays.
  off_t end = ::lseek(fd, 0, SEEK_CUR);
  if (written > 0 && end >= written && ::ftruncate(fd, end - written) != 0)
    error = errno;
  return failure("cannot write metrics to '", path,
                 "': ", std::strerror(error));
}

//===----------------------------------------------------------------------===//
// The screen
//===----------------------------------------------------------------------===//

Progress::Progress(int64_t steps, bool terminal)
    : steps(steps), interval(std::max<int64_t>(1, steps / 20)),
      terminal(terminal) {}

/// "  mfu 41.3 %", or "" where it is not known.
static std::string formatMfu(const StepMetrics &metrics) {
  char text[32] = "";
  if (metrics.mfu)
    std::snprintf(text, sizeof(text), "  mfu %.1f %%", 100 * *metrics.mfu);
  return text;
}

void Progress::show(const StepMetrics &metrics) {
  int64_t done = metrics.step + 1;
  if (!terminal) {
    auto now = std::chrono::steady_clock::now();
    bool isDue = now - lastShown >= std::chrono::seconds(30);
    if (done != 1 && done != steps && done % interval && !isDue)
      return;
    lastShown = now;
    std::printf("step %lld/%lld  loss %.4f  grad_norm %.4f  lr %.3g  %.1f ms  "
                "%.0f tokens/s%s\n",
                (long long)done, (long long)steps, metrics.loss,
                metrics.gradNorm, metrics.learningRate, metrics.milliseconds,
                metrics.tokensPerSecond, formatMfu(metrics).c_str());
    std::fflush(stdout);
    return;
  }
  constexpr int width = 30;
  int filled = int(width * done / steps);
  std::string bar(filled, '#');
  bar.resize(width, '.');
  double left = (steps - done) * metrics.milliseconds / 1000;
  std::printf(
      "\r[%s] %lld/%lld  loss %.4f  %.0f tokens/s%s  %.0f s left \033[K",
      bar.c_str(), (long long)done, (long long)steps, metrics.loss,
      metrics.tokensPerSecond, formatMfu(metrics).c_str(), left);
  std::fflush(stdout);
  barShown = true;
}

void Progress::finish() {
  if (barShown)
    std::printf("\n");
  barShown = false;
}

std::string fsdprt::formatBytes(int64_t bytes) {
  const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = double(bytes);
  int unit = 0;
  for (; std::fabs(value) >= 1024 && unit < 4; ++unit)
    value /= 1024;
  char text[32];
  std::snprintf(text, sizeof(text), unit ? "%.1f %s" : "%.0f %s", value,
                units[unit]);
  return text;
}

void fsdprt::printDeviceMemory(const DeviceMemory &memory, size_t numArenas) {
  std::string sharing;
  if (memory.ranks > 1)
    sharing = " for each of " + std::to_string(memory.ranks) + " ranks";
  std::printf("GPU memory: plan %s in %zu arenas%s, libraries %s, driver and "
              "others %s, %s of %s left\n",
              formatBytes(memory.plan).c_str(), numArenas, sharing.c_str(),
              formatBytes(memory.libraries).c_str(),
              formatBytes(memory.others()).c_str(),
              formatBytes(memory.left()).c_str(),
              formatBytes(memory.total).c_str());
  std::fflush(stdout);
}

void fsdprt::printSummary(const std::vector<StepMetrics> &steps,
                          int64_t plannedPeakBytes,
                          const std::vector<RankPeak> &peaks,
                          bool sharedProcess) {
  if (!steps.empty()) {
    size_t last = std::min<size_t>(20, steps.size());
    double sum = 0, speed = 0;
    for (size_t i = steps.size() - last; i < steps.size(); ++i)
      sum += steps[i].loss;
    // The first step pays for page faults and for making the GEMM primitives.
    size_t warm = steps.size() > 1 ? 1 : 0;
    for (size_t i = warm; i < steps.size(); ++i)
      speed += 1 / steps[i].tokensPerSecond;
    std::printf("loss: first %.4f, last %.4f, mean of the last %zu %.4f\n",
                steps.front().loss, steps.back().loss, last, sum / last);
    std::printf("speed: %.0f tokens/s\n", (steps.size() - warm) / speed);
    std::printf("local copies: %lld bytes a step\n",
                (long long)steps.back().localCopyBytes);
  }
  for (size_t rank = 0; rank < peaks.size(); ++rank) {
    std::printf("rank %zu: planned peak %lld bytes (%s), measured %lld", rank,
                (long long)plannedPeakBytes,
                formatBytes(plannedPeakBytes).c_str(),
                (long long)peaks[rank].measured);
    if (!sharedProcess)
      std::printf(", resident growth %lld (%s)",
                  (long long)peaks[rank].residentGrowth,
                  formatBytes(peaks[rank].residentGrowth).c_str());
    std::printf("\n");
  }
  if (sharedProcess && !peaks.empty())
    std::printf("all ranks: resident growth %lld (%s)\n",
                (long long)peaks[0].residentGrowth,
                formatBytes(peaks[0].residentGrowth).c_str());
  std::fflush(stdout);
}
