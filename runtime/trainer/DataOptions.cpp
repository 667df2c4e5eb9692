//===- DataOptions.cpp - Options of what is trained on --------------------===//

#include "trainer/OptionGroups.h"

using namespace fsdprt;

void fsdprt::addDataOptions(CLI::App &app, RunOptions &options) {
  app.add_option("--data", options.data,
                 "text, or tokens as .u16 or .u32 (little-endian)")
      ->type_name("FILE")
      ->group("Data");
  app.add_option("--tokenizer", options.tokenizer,
                 "how text becomes tokens: bytes")
      ->type_name("NAME")
      ->group("Data");
  app.add_option(
         "--labels", options.labels,
         "one int32 a token, of the token at its place: shifted by one as the "
         "tokens are; -100 is ignored by the loss (default: the tokens)")
      ->type_name("FILE")
      ->group("Data");
  app.add_option_function<std::string>(
         "--shuffle",
         [&options](const std::string &word) {
           options.shuffle = word == "on";
         },
         "on (default): windows in an order chosen by --seed; off: file order")
      ->type_name("on|off")
      ->check(CLI::IsMember({"on", "off"}))
      ->group("Data");
  app.add_option("--seed", options.seed,
                 "of the data's order and of initial values (default 0)")
      ->type_name("N")
      ->check(CLI::Validator(checkWhole<uint64_t>, "", ""))
      ->group("Data");
}
