//===- FuzzManifest.cpp - Any bytes as a manifest -------------------------===//

#include "core/DType.h"
#include "core/Manifest.h"

#include <cstdlib>

using namespace fsdprt;

/// What the runtime computes of a manifest that is accepted stays within it.
static void useParameters(const Manifest &manifest) {
  for (const ParameterSpec &parameter : manifest.parameters) {
    if (parameter.unit < 0)
      continue;
    const LineSpec &line = manifest.units[parameter.unit].lines[parameter.line];
    int64_t end = manifest.gatheredOffset(parameter) + parameter.numElements();
    if (manifest.gatheredOffset(parameter) < 0 || end < 0)
      std::abort();
    for (int64_t rank : {int64_t(0), manifest.worldSize() - 1}) {
      OwnedElements owned = manifest.ownedElements(parameter, int(rank));
      if (owned.end > owned.begin &&
          (owned.begin < 0 || owned.end > parameter.numElements() ||
           owned.inShard < 0 ||
           owned.inShard + owned.end - owned.begin > line.shardElements))
        std::abort();
    }
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string text(reinterpret_cast<const char *>(data), size);
  Expected<Manifest> manifest = parseManifest(text, "manifest.json");
  if (!manifest.ok())
    return 0;
  useParameters(*manifest);
  for (const UnitSpec &unit : manifest->units)
    for (const LineSpec &line : unit.lines)
      for (int index : line.parameters)
        if (manifest->gatheredOffset(manifest->parameters[index]) < 0)
          std::abort();
  return 0;
}
