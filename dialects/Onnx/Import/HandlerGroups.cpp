//===- HandlerGroups.cpp - The handlers of all groups ---------------------===//
#include "dialects/Onnx/Import/Handlers.h"

using namespace fsdp::onnx;

HandlerTable fsdp::onnx::allHandlers() {
  HandlerTable handlers;
  for (auto add : {addMathHandlers, addActivationHandlers, addReductionHandlers,
                   addShapeHandlers, addTensorHandlers, addNNHandlers,
                   addAttentionHandlers, addIndexHandlers, addOrderHandlers,
                   addEinsumHandlers})
    add(handlers);
  return handlers;
}
