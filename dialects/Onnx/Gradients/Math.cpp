#include "dialects/Onnx/Onnx.h"
