//===- Pieces.cpp - Whole planes in bounded memory ------------------------===//

#include "checkpoint/Pieces.h"

#include "core/DType.h"

#include <algorithm>

using namespace fsdprt;

const char *fsdprt::valuesPlane(const CheckpointParameter &parameter) {
  return parameter.isCompiled ? kBufferPlane : kParameterPlane;
}

static bool hasAverage(const CheckpointParameter &parameter) {
  return std::any_of(
      parameter.states.begin(), parameter.states.end(),
      [](const CheckpointState &state) { return state.name == kAveragePlane; });
}

const char *fsdprt::exportedPlane(const CheckpointParameter &parameter,
                                  bool averaged) {
  return averaged && hasAverage(parameter) ? kAveragePlane
                                           : valuesPlane(parameter);
}

Status fsdprt::checkHasAverages(const CheckpointIndex &index) {
  if (std::any_of(index.parameters.begin(), index.parameters.end(), hasAverage))
    return Status();
  return failure("the checkpoint has no averages of the parameters: its "
                 "program was compiled without --ema");
}

std::vector<CheckpointState>
fsdprt::planesOf(const CheckpointParameter &parameter) {
  std::vector<CheckpointState> planes = {
      {valuesPlane(parameter), parameter.dtype}};
  planes.insert(planes.end(), parameter.states.begin(), parameter.states.end());
  return planes;
}

Status fsdprt::inPieces(const CheckpointReader &checkpoint,
                        const std::string &plane,
                        const CheckpointParameter &parameter, int32_t dtype,
                        const std::function<Status(int64_t at, const void *data,
                                                   int64_t bytes)> &take) {
  int64_t elements = parameter.elementsOf(plane), size = sizeOfDType(dtype);
  std::vector<char> piece(size_t(std::min(elements, kElementsOfPiece) * size));
  for (int64_t at = 0; at < elements; at += kElementsOfPiece) {
    int64_t count = std::min(kElementsOfPiece, elements - at);
    FSDPRT_RETURN_IF_ERROR(
        checkpoint.read(plane, parameter, at, at + count, dtype, piece.data()));
    FSDPRT_RETURN_IF_ERROR(take(at * size, piece.data(), count * size));
  }
  return Status();
}
