//===- ParameterOptions.cpp - Options of weights read and saved -----------===//

#include "trainer/OptionGroups.h"

using namespace fsdprt;

void fsdprt::addParameterOptions(CLI::App &app, RunOptions &options) {
  app.add_option("--weights", options.weights,
                 "start from a .safetensors file, a Hugging Face index, or a "
                 "checkpoint's parameters (default: as compiled)")
      ->type_name("FILE")
      ->group("Parameters");
  app.add_option("--save", options.save,
                 "write the trained parameters as .safetensors")
      ->type_name("FILE")
      ->group("Parameters");
  app.add_option("--save-ema", options.saveEma,
                 "write the average of the parameters as .safetensors; for a "
                 "program compiled with --ema")
      ->type_name("FILE")
      ->group("Parameters");
  app.add_option("--strip-prefix", options.stripPrefix,
                 "remove a wrapper's prefix from the saved names")
      ->type_name("PREFIX")
      ->group("Parameters");
}
