//===- fsdp-run.cpp - Runs a compiled training program --------------------===//

#include "trainer/Main.h"

int main(int argc, char **argv) { return fsdprt_main(argc, argv); }
