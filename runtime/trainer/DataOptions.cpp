//===- DataOptions.cpp - Options of what is trained on --------------------===//

#include "trainer/OptionGroups.h"

using namespace fsdprt;

void fsdprt::addDataOptions(CLI::App &app, RunOptions &options) {
  app.add_option("--data", options.data,
                 "text, or tokens as .u16, .u32 (little-endian), .npy or "
                 ".bin (nanoGPT's, modded-nanogpt's); several files, and "
                 "folders of them")
      ->type_name("FILE")
      ->group("Data");
  app.add_option("--tokenizer", options.tokenizer,
                 "how text becomes tokens: bytes")
      ->type_name("NAME")
      ->group("Data");
  app.add_option(
         "--labels", options.labels,
         "one int32 a token, of the token at its place: shifted by one as the "
         "tokens are; -100 is ignored by the loss (default: the tokens); one "
         "file for each of --data, or folders of .i32")
      ->type_name("FILE")
      ->group("Data");
  app.add_option_function<std::string>(
         "--shuffle",
         [&options](const std::string &word) {
           options.shuffle = word == "on";
         },
         "on (default): windows in an order chosen by --seed, another one in "
         "each pass; off: file order")
      ->type_name("on|off")
      ->check(CLI::IsMember({"on", "off"}))
      ->group("Data");
  app.add_option("--weights-of-data", options.dataWeights,
                 "mix the names of --data: 2,1 takes two rows of the first for "
                 "one of the second (default: each row once in a pass)")
      ->type_name("W,...")
      ->group("Data");
  app.add_option("--skip-rows", options.skipRows,
                 "rows of the data, counted over all ranks, that are passed by "
                 "before the first step (default 0)")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<int64_t>, "", ""))
      ->group("Data");
  app.add_option(
         "--seed", options.seed,
         "of the data's order, of initial values and of what moments in bf16 "
         "are rounded to (default 0)")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<uint64_t>, "", ""))
      ->group("Data");
}
