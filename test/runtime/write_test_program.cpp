//===- write_test_program.cpp - The hand-written program, by hand ---------===//
//
// write_test_program WORLD FOLDER [MUTANT]: to try fsdp-run on it.
//
//===----------------------------------------------------------------------===//

#include "TestProgram.h"

#include <cstdio>
#include <cstdlib>

int main(int argc, char **argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: write_test_program WORLD FOLDER [MUTANT]\n");
    return 2;
  }
  int world = std::atoi(argv[1]);
  fsdprt::test::writeProgram(argv[2], fsdprt::test::makeManifest(world), world,
                             argc > 3 ? argv[3] : "");
  return 0;
}
