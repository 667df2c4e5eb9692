/*===- simulated.h - GPU kernels compiled for the host -*- C -*-===*\
|*
|* `fsdp-compile --target cuda --gpu-arch simulated` compiles a program's GPU
|* kernels for the host instead of a GPU: a shared object, kernels.so, of the
|* same LLVM IR. One call is one thread. What a GPU gives a thread, and where
|* it touches global memory, the code asks of hooks that whoever runs it fills
|* in: so the runner chooses the order of threads and blocks, and sees every
|* access. Shared memory is in the object's own data: one block runs at a time.
|*
|* kernels.so has no undefined symbol and exports
|*   fsdprt_simulated_hooks fsdp_simulated_hooks;     filled in by the runner
|*   const fsdprt_simulated_kernel fsdp_simulated_kernels[];
|*
\*===----------------------------------------------------------------------===*/
#ifndef FSDPRT_ABI_SIMULATED_H
#define FSDPRT_ABI_SIMULATED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  uint32_t (*thread)(void); /* tid.x */
  uint32_t (*block)(void);  /* ctaid.x */
  uint32_t (*blocks)(void); /* nctaid.x */
  void (*barrier)(void);    /* of the block's threads */
  /* shfl.bfly: `value` of the thread whose number in its warp of 32 is this
   * one's xor `distance`. */
  uint32_t (*shuffle)(uint32_t value, uint32_t distance);
  /* Before each access to global memory. */
  void (*load)(const void *address, uint64_t bytes);
  void (*store)(void *address, uint64_t bytes);
} fsdprt_simulated_hooks;

typedef struct {
  const char *name; /* null ends the list */
  /* One thread; args[i] is the kernel's i-th pointer, its status the last. */
  void (*call)(void *const *args);
  uint32_t num_args, threads;
} fsdprt_simulated_kernel;

/* The driver's library may have a function `fsdp_simulated_operation`, absent
 * in NVIDIA's: it names what the calling thread enqueues next, and the bytes of
 * device memory that that touches. */
typedef struct {
  uint64_t address;
  int64_t bytes;
  /* FSDPRT_ACCESS_*; READ and SCRATCH: copied to the host, defined or not */
  int32_t access;
  int32_t reserved;
} fsdprt_simulated_range;
typedef void (*fsdprt_simulated_operation)(const char *name, const char *unit,
                                           const fsdprt_simulated_range *ranges,
                                           int32_t num_ranges);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* FSDPRT_ABI_SIMULATED_H */
