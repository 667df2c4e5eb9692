/*===- Main.h - fsdp-run's entry into the runtime ---------------*- C -*-===*/

#ifndef FSDPRT_TRAINER_MAIN_H
#define FSDPRT_TRAINER_MAIN_H

#ifdef __cplusplus
extern "C" {
#endif

/* Parses the command line and does what it asks: starts the ranks, or is one.
 * Returns the process' exit code. */
int fsdprt_main(int argc, char **argv);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* FSDPRT_TRAINER_MAIN_H */
