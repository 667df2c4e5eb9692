//===- TunedFile.cpp - Algorithms that were measured ----------------------===//

#include "cuda/TunedFile.h"

#include "core/ManifestFields.h"
#include "io/OutputFile.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sys/stat.h>

using namespace fsdprt;
using namespace fsdprt::cuda;
using namespace fsdprt::fields;

std::string Tuned::origin() const {
  return device + " with CUDA driver " + std::to_string(driver) +
         " and cuBLASLt " + std::to_string(library);
}

static constexpr size_t algorithmBytes = sizeof(cublasLtMatmulAlgo_t);

static std::string toHex(const cublasLtMatmulAlgo_t &algorithm) {
  unsigned char bytes[algorithmBytes];
  std::memcpy(bytes, &algorithm, algorithmBytes);
  std::string text;
  for (unsigned char byte : bytes) {
    constexpr char digits[] = "0123456789abcdef";
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

static cublasLtMatmulAlgo_t fromHex(const std::string &text,
                                    const std::string &where) {
  require(text.size() == 2 * algorithmBytes &&
              text.find_first_not_of("0123456789abcdef") == std::string::npos,
          where + ": expected " + std::to_string(2 * algorithmBytes) +
              " digits 0-9 and a-f");
  unsigned char bytes[algorithmBytes];
  for (size_t i = 0; i < algorithmBytes; ++i)
    bytes[i] = static_cast<unsigned char>(
        std::stoi(text.substr(2 * i, 2), nullptr, 16));
  cublasLtMatmulAlgo_t algorithm;
  std::memcpy(&algorithm, bytes, algorithmBytes);
  return algorithm;
}

static Tuned parse(const Json &json) {
  Tuned tuned;
  tuned.device = get<std::string>(json, "device", "the file");
  tuned.driver = get<int64_t>(json, "driver", "the file");
  tuned.library = get<int64_t>(json, "cublaslt", "the file");
  const Json &algorithms = member(json, "algorithms", "the file");
  require(algorithms.is_object(), "'algorithms' is no object");
  for (const auto &[name, value] : algorithms.items())
    tuned.algorithms[name] =
        fromHex(get<std::string>(algorithms, name.c_str(), "algorithms"),
                "the algorithm of '" + name + "'");
  return tuned;
}

Expected<std::optional<Tuned>> cuda::readTuned(const std::string &path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0 && errno == ENOENT)
    return std::optional<Tuned>();
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  std::string problem = "cannot be read";
  try {
    if (stream)
      return std::optional<Tuned>(parse(Json::parse(text.str())));
  } catch (const Malformed &malformed) {
    problem = malformed.message;
  } catch (const Json::exception &) {
    problem = "it is no JSON";
  }
  return failure("'", path, "' is not what --autotune writes: ", problem,
                 "; remove it, or name another file");
}

Status cuda::writeTuned(const Tuned &tuned, const std::string &path) {
  Json json = {{"device", tuned.device},
               {"driver", tuned.driver},
               {"cublaslt", tuned.library},
               {"algorithms", Json::object()}};
  for (const auto &[name, algorithm] : tuned.algorithms)
    json["algorithms"][name] = toHex(algorithm);
  auto file = OutputFile::create(path);
  Status status = file.status();
  if (status.ok())
    status = (*file)->append(json.dump(1) + "\n");
  if (status.ok())
    status = (*file)->finish();
  return status.ok() ? status
                     : failure("cannot write '", path, "': ", status.message());
}
