/*===- dispatch_program.c - A step of 10,000 small calls ------------------===*\
|*
|* KIND says of which: what a step costs is what the runtime adds to each.
|*
\*===----------------------------------------------------------------------===*/
#include "abi/fsdprt.h"

enum { LAUNCH, ORDERED, SHARED, PRODUCT };
#define CALLS 10000
#define SIDE 16 /* of a product's matrices, which stand one after the other */

const int32_t fsdp_program_abi = FSDPRT_ABI_VERSION;

static fsdprt_status add_one(void *const *args, void *scratch, int64_t begin,
                             int64_t end) {
  (void)scratch;
  for (int64_t i = begin; i < end; ++i)
    ((float *)args[1])[i] = ((const float *)args[0])[i] + 1;
  return 0;
}

#define ARG(ACCESS, PLACE)                                                     \
  {0, FSDPRT_ACCESS_##ACCESS, (PLACE) * 4 * SIDE * SIDE, 4 * SIDE * SIDE, 0}
static const fsdprt_arg args[] = {ARG(READ, 0), ARG(READ, 1), ARG(WRITE, 2)};
static const fsdprt_op head = {
    "call", "blocks.0", "blocks.0.mlp",        args, 0,
    0,      0,          FSDPRT_STREAM_COMPUTE, -1};

static fsdprt_launch_desc launches[CALLS];
static fsdprt_gemm_desc products[CALLS];
static int32_t events[CALLS];

fsdprt_status program_init(fsdprt_context *context) {
  static const fsdprt_join_desc join = {
      {"join", "", "", 0, 0, 0, 0, FSDPRT_STREAM_COMPUTE, -1}};
  for (int32_t i = 0; i < CALLS; ++i) {
    launches[i].op = head;
    launches[i].op.num_args = 2;
    launches[i].kernel = add_one;
    launches[i].extent = KIND == SHARED ? SIDE : 1;
    products[i].op = head;
    products[i].op.num_args = 3;
    products[i].m = products[i].n = products[i].k = SIDE;
    products[i].a_row_stride = products[i].b_row_stride =
        products[i].c_row_stride = SIDE;
    products[i].a_col_stride = products[i].b_col_stride = 1;
    events[i] = i;
    if (KIND != ORDERED)
      continue;
    launches[i].op.record = i;
    launches[i].op.waits = i ? &events[i - 1] : 0;
    launches[i].op.num_waits = i ? 1 : 0;
  }
  return fsdprt_join(context, &join);
}

fsdprt_status program_step(fsdprt_context *context) {
  static const fsdprt_join_desc join = {
      {"join", "", "", 0, 0, 0, 0, FSDPRT_STREAM_COMPUTE, -1}};
  fsdprt_status status = 0;
  for (int32_t i = 0; i < CALLS && !status; ++i)
    status = KIND == PRODUCT ? fsdprt_gemm(context, &products[i])
                             : fsdprt_launch(context, &launches[i]);
  return status ? status : fsdprt_join(context, &join);
}

const fsdprt_gemm_table fsdp_program_gemms[] = {0};
