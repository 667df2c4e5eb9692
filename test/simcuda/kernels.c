/*===- kernels.c - Kernels as --gpu-arch simulated makes them -*- C -*-------===*\
|*
|* Written by hand: what the simulator must run, and what it must report.
|*
\*===----------------------------------------------------------------------===*/
#include "runtime/abi/simulated.h"

fsdprt_simulated_hooks fsdp_simulated_hooks;

static float loadFloat(const float *at) {
  fsdp_simulated_hooks.load(at, sizeof *at);
  return *at;
}

static void storeFloat(float *at, float value) {
  fsdp_simulated_hooks.store(at, sizeof *at);
  *at = value;
}

enum { kThreads = 64 };

static uint32_t element(void) {
  return fsdp_simulated_hooks.block() * kThreads +
         fsdp_simulated_hooks.thread();
}

/* b[i] = 2 a[i] */
static void twice(void *const *args) {
  uint32_t i = element();
  storeFloat((float *)args[1] + i, 2 * loadFloat((float *)args[0] + i));
}

/* a[i] += 1 */
static void increment(void *const *args) {
  float *a = (float *)args[0] + element();
  storeFloat(a, loadFloat(a) + 1);
}

/* b[i] = a[i + 1]: one element past the end */
static void overrun(void *const *args) {
  uint32_t i = element();
  storeFloat((float *)args[1] + i, loadFloat((float *)args[0] + i + 1));
}

/* b[i] += a[i], and b is said to be written only */
static void readsResult(void *const *args) {
  uint32_t i = element();
  float *b = (float *)args[1] + i;
  storeFloat(b, loadFloat(b) + loadFloat((float *)args[0] + i));
}

static float shared[kThreads];

/* b[i] = a[63 - i] of each block, through shared memory */
static void reverse(void *const *args) {
  uint32_t thread = fsdp_simulated_hooks.thread();
  shared[thread] = loadFloat((float *)args[0] + element());
  fsdp_simulated_hooks.barrier();
  storeFloat((float *)args[1] + element(), shared[kThreads - 1 - thread]);
}

static void reverseWithoutBarrier(void *const *args) {
  uint32_t thread = fsdp_simulated_hooks.thread();
  shared[thread] = loadFloat((float *)args[0] + element());
  storeFloat((float *)args[1] + element(), shared[kThreads - 1 - thread]);
}

static void halfABarrier(void *const *args) {
  (void)args;
  if (fsdp_simulated_hooks.thread() < kThreads / 2)
    fsdp_simulated_hooks.barrier();
}

/* b[block] = the sum of a warp's a[i], in b's order of warps */
static void warpSum(void *const *args) {
  union {
    float number;
    uint32_t bits;
  } sum, other;
  sum.number = loadFloat((float *)args[0] + element());
  for (uint32_t distance = 16; distance; distance /= 2) {
    other.bits = fsdp_simulated_hooks.shuffle(sum.bits, distance);
    sum.number += other.number;
  }
  if (element() % 32 == 0)
    storeFloat((float *)args[1] + element() / 32, sum.number);
}

/* status = 2 */
static void fails(void *const *args) {
  fsdp_simulated_hooks.store(args[0], 4);
  *(int32_t *)args[0] = 2;
}

__attribute__((visibility("default")))
const fsdprt_simulated_kernel fsdp_simulated_kernels[] = {
    {"twice", twice, 3, kThreads},
    {"increment", increment, 2, kThreads},
    {"overrun", overrun, 3, kThreads},
    {"reads_result", readsResult, 3, kThreads},
    {"reverse", reverse, 3, kThreads},
    {"reverse_without_barrier", reverseWithoutBarrier, 3, kThreads},
    {"half_a_barrier", halfABarrier, 1, kThreads},
    {"warp_sum", warpSum, 3, kThreads},
    {"fails", fails, 1, kThreads},
    {0, 0, 0, 0}};
