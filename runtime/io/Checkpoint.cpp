//===- Checkpoint.cpp - Saving the trained parameters ---------------------===//

#include "io/Checkpoint.h"

#include "core/DType.h"

#include <set>

using namespace fsdprt;

static std::string stripped(const std::string &name,
                            const std::string &prefix) {
  bool starts = !prefix.empty() && name.size() > prefix.size() &&
                name.compare(0, prefix.size(), prefix) == 0;
  return starts ? name.substr(prefix.size()) : name;
}

static std::vector<SafetensorsWriter::Tensor>
listTensors(const Manifest &manifest, const std::string &stripPrefix) {
  std::vector<SafetensorsWriter::Tensor> tensors;
  for (const ParameterSpec &parameter : manifest.parameters)
    for (const std::string &name : parameter.names)
      tensors.push_back(
          {stripped(name, stripPrefix), parameter.dtype, parameter.shape});
  return tensors;
}

Status CheckpointSaver::check(const Manifest &manifest, const std::string &path,
                              const std::string &stripPrefix) {
  std::set<std::string> names;
  int64_t bytes = 0;
  bool anyPrefix = false;
  for (const auto &tensor : listTensors(manifest, "")) {
    bytes += productOf(tensor.shape) * sizeOfDType(tensor.dtype);
    anyPrefix |= stripped(tensor.name, stripPrefix) != tensor.name;
    if (!names.insert(stripped(tensor.name, stripPrefix)).second)
      return failure("two parameters would be saved as '",
                     stripped(tensor.name, stripPrefix), "'");
  }
  if (!stripPrefix.empty() && !anyPrefix)
    return failure("--strip-prefix '", stripPrefix,
                   "' is no parameter's prefix (the first is '", *names.begin(),
                   "')");
  if (!manifest.phaseThatRuns(Runs::Save))
    return failure("the program has no phase that saves; compile it again");
  return checkOutput(path, bytes);
}

Expected<std::unique_ptr<CheckpointSaver>>
CheckpointSaver::create(const Manifest &manifest, const std::string &path,
                        const std::string &stripPrefix) {
  auto saver = std::make_unique<CheckpointSaver>();
  saver->manifest = &manifest;
  auto writer =
      SafetensorsWriter::create(path, listTensors(manifest, stripPrefix));
  if (!writer.ok())
    return writer.status();
  saver->writer = std::move(*writer);
  size_t tensor = 0;
  for (const ParameterSpec &parameter : manifest.parameters) {
    saver->firstTensor.push_back(tensor);
    // What is in no unit is compiled in, and no phase hands it over.
    if (parameter.unit < 0 && parameter.origin == ParameterSpec::Origin::Data)
      for (size_t i = 0; i < parameter.names.size(); ++i)
        FSDPRT_RETURN_IF_ERROR(
            saver->writer->write(tensor + i, parameter.data.data()));
    tensor += parameter.names.size();
  }
  return saver;
}

Status CheckpointSaver::storeLine(int unit, int line, const void *data) {
  const LineSpec &spec = manifest->units[unit].lines[line];
  for (int index : spec.parameters) {
    const ParameterSpec &parameter = manifest->parameters[index];
    const char *at =
        static_cast<const char *>(data) +
        manifest->gatheredOffset(parameter) * sizeOfDType(spec.dtype);
    for (size_t i = 0; i < parameter.names.size(); ++i)
      FSDPRT_RETURN_IF_ERROR(writer->write(firstTensor[index] + i, at));
  }
  return Status();
}
