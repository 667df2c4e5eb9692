/*===- reference.h - The CPU's code of a GPU's kernels ------------*- C -*-===*\
|*
|* A program for GPUs also holds its kernels as the CPU computes them, in a
|* shared object of its own that only `fsdp-run --self-test` loads. It exports
|* the table below. Plain C, as fsdprt.h is.
|*
\*===----------------------------------------------------------------------===*/
#ifndef FSDPRT_ABI_REFERENCE_H
#define FSDPRT_ABI_REFERENCE_H

#include "fsdprt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an argument holds: `elements` of type `dtype`, dense. */
typedef struct {
  int32_t dtype; /* FSDPRT_F32 and the like */
  int32_t reserved;
  int64_t elements;
} fsdprt_reference_arg;

/* The kernel that launches name `symbol`, over [0, extent). It takes the
 * launch's arguments, operands and then results, but no GPU's scratch: a worker
 * of the CPU has `scratch_bytes` of its own. */
typedef struct {
  const char *symbol; /* null ends the list */
  fsdprt_kernel kernel;
  const fsdprt_reference_arg *args; /* `num_args` of them */
  int64_t num_args;
  int64_t extent;
  int64_t scratch_bytes;
} fsdprt_reference_kernel;

/* exported data: const fsdprt_reference_kernel fsdp_reference_kernels[]; */

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* FSDPRT_ABI_REFERENCE_H */
