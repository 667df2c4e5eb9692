/*===- test_program.c - A program as fsdp-compile would make one ----------===*\
|*
|* Hand-written, so that the runtime can be tested without a compiler. MUTANT
|* builds one that breaks a rule: see the bottom of each use.
|*
\*===----------------------------------------------------------------------===*/
#include "TestProgramLayout.h"
#include "abi/fsdprt.h"

#ifndef MUTANT
#define MUTANT 0
#endif
enum {
  MUTANT_NONE,
  MUTANT_OVERRUN,      /* a kernel writes behind the arena */
  MUTANT_OUTSIDE,      /* an argument behind the arena */
  MUTANT_ALLOCATES,    /* a kernel calls malloc */
  MUTANT_EARLY_REUSE,  /* reads a buffer after its planned last use */
  MUTANT_WRONG_SIZE,   /* gathers less than the planned buffer */
  MUTANT_CRASH,        /* a kernel dereferences null in step 2 */
  MUTANT_BAD_EVENT,    /* waits for an event that nobody records */
  MUTANT_KERNEL_FAILS, /* a kernel returns a status */
  MUTANT_NO_GATHER     /* reads the head's parameters without a gather */
};

const int32_t fsdp_program_abi = FSDPRT_ABI_VERSION;

enum {
  BUFFER_ROOT_SHARD,
  BUFFER_HEAD_SHARD,
  BUFFER_LR,
  BUFFER_TOKENS,
  BUFFER_LABELS,
  BUFFER_COUNT,
  BUFFER_LOSS,
  BUFFER_NORM,
  BUFFER_COUNT_SUMS,
  BUFFER_LOSS_SUMS,
  BUFFER_NORM_SUMS,
  BUFFER_ROOT_FULL,
  BUFFER_HEAD_FULL,
  BUFFER_HIDDEN,
  BUFFER_LOGITS,
  BUFFER_HEAD_GRAD,
  BUFFER_HEAD_SCRATCH,
  BUFFER_HEAD_REDUCED,
  BUFFER_HIDDEN_GRAD,
  BUFFER_ROOT_REDUCED,
  BUFFER_ROOT_SCRATCH,
  BUFFER_ROOT_GRAD,
  BUFFER_EXPORT_ROOT,
  BUFFER_EXPORT_HEAD
};

#define READ FSDPRT_ACCESS_READ
#define WRITE FSDPRT_ACCESS_WRITE
#define UPDATE FSDPRT_ACCESS_READ_WRITE
#define SCRATCH FSDPRT_ACCESS_SCRATCH
#define STATE 0
#define WORK 1

#define NUM(ARRAY) ((int32_t)(sizeof(ARRAY) / sizeof((ARRAY)[0])))
#define ARGS(NAME, ...) static const fsdprt_arg NAME##_args[] = {__VA_ARGS__}
#define OP(NAME, UNIT, STREAM, RECORD)                                         \
  {#NAME, UNIT, "", NAME##_args, 0, NUM(NAME##_args), 0, STREAM, RECORD}
#define OP_WAITS(NAME, UNIT, STREAM, RECORD, WAITS)                            \
  {#NAME,      UNIT,   "",    NAME##_args, WAITS, NUM(NAME##_args),            \
   NUM(WAITS), STREAM, RECORD}
#define TRY(CALL)                                                              \
  do {                                                                         \
    fsdprt_status status = (CALL);                                             \
    if (status)                                                                \
      return status;                                                           \
  } while (0)

#define ROOT_SHARD(A)                                                          \
  {STATE, A, ROOT_SHARD_AT, ROOT_SHARD_BYTES, BUFFER_ROOT_SHARD}
#define HEAD_SHARD(A)                                                          \
  {STATE, A, HEAD_SHARD_AT, HEAD_SHARD_BYTES, BUFFER_HEAD_SHARD}
#define LR(A) {STATE, A, LR_AT, 4, BUFFER_LR}
#define TOKENS(A) {WORK, A, TOKENS_AT, TOKENS_BYTES, BUFFER_TOKENS}
#define LABELS(A) {WORK, A, LABELS_AT, LABELS_BYTES, BUFFER_LABELS}
#define COUNT(A) {WORK, A, COUNT_AT, 4, BUFFER_COUNT}
#define LOSS(A) {WORK, A, LOSS_AT, 4, BUFFER_LOSS}
#define NORM(A) {WORK, A, NORM_AT, 4, BUFFER_NORM}
#define SUMS(BUFFER) {WORK, SCRATCH, SUMS_AT, SUMS_BYTES, BUFFER}
#define ROOT_FULL(A) {WORK, A, ROOT_FULL_AT, ROOT_FULL_BYTES, BUFFER_ROOT_FULL}
#define HEAD_FULL(A) {WORK, A, HEAD_FULL_AT, HEAD_FULL_BYTES, BUFFER_HEAD_FULL}
#define HEAD_WEIGHT(A) {WORK, A, HEAD_FULL_AT, 4 * BIAS_AT, BUFFER_HEAD_FULL}
#define HIDDEN(A) {WORK, A, HIDDEN_AT, HIDDEN_BYTES, BUFFER_HIDDEN}
#define LOGITS(A) {WORK, A, LOGITS_AT, LOGITS_BYTES, BUFFER_LOGITS}
#define HEAD_GRAD(A) {WORK, A, HEAD_GRAD_AT, HEAD_GRAD_BYTES, BUFFER_HEAD_GRAD}
#define HEAD_WEIGHT_GRAD(A)                                                    \
  {WORK, A, HEAD_GRAD_AT, 4 * BIAS_AT, BUFFER_HEAD_GRAD}
#define HEAD_BIAS_GRAD(A)                                                      \
  {WORK, A, HEAD_GRAD_AT + 4 * BIAS_AT, HEAD_GRAD_BYTES - 4 * BIAS_AT,         \
   BUFFER_HEAD_GRAD}
#define HEAD_SCRATCH                                                           \
  {WORK, SCRATCH, HEAD_SCRATCH_AT, HEAD_FULL_BYTES, BUFFER_HEAD_SCRATCH}
#define HEAD_REDUCED(A)                                                        \
  {WORK, A, HEAD_REDUCED_AT, HEAD_SHARD_BYTES, BUFFER_HEAD_REDUCED}
#define HIDDEN_GRAD(A)                                                         \
  {WORK, A, HIDDEN_GRAD_AT, HIDDEN_BYTES, BUFFER_HIDDEN_GRAD}
#define ROOT_REDUCED(A)                                                        \
  {WORK, A, ROOT_REDUCED_AT, ROOT_SHARD_BYTES, BUFFER_ROOT_REDUCED}
#define ROOT_SCRATCH                                                           \
  {WORK, SCRATCH, ROOT_SCRATCH_AT, ROOT_FULL_BYTES, BUFFER_ROOT_SCRATCH}
#define ROOT_GRAD(A) {WORK, A, ROOT_GRAD_AT, ROOT_GRAD_BYTES, BUFFER_ROOT_GRAD}

enum {
  COMPUTE = FSDPRT_STREAM_COMPUTE,
  GATHER = FSDPRT_STREAM_GATHER,
  REDUCE = FSDPRT_STREAM_REDUCE
};
enum {
  ROOT_GATHERED,
  HEAD_GATHERED,
  HEAD_GRAD_READY,
  HEAD_REDUCED_READY,
  ROOT_GRAD_READY,
  ROOT_REDUCED_READY
};

/*===----------------------------------------------------------------------===*\
|* Kernels
\*===----------------------------------------------------------------------===*/

extern float expf(float), logf(float), sqrtf(float);
extern void *malloc(unsigned long);

static fsdprt_status embed(void *const *args, void *scratch, int64_t begin,
                           int64_t end) {
  const int64_t *tokens = args[0];
  const float *root = args[1];
  float *hidden = args[2];
  for (int64_t row = begin; row < end; ++row)
    for (int i = 0; i < WIDTH; ++i)
      hidden[row * WIDTH + i] = root[GAIN_AT] * root[tokens[row] * WIDTH + i];
#if MUTANT == 1
  for (int i = 0; i < 4; ++i) /* far beyond the arena's last byte */
    ((volatile char *)hidden)[WORK_BYTES - HIDDEN_AT + 64 + i] = 1;
#endif
  return 0;
}

static fsdprt_status count(void *const *args, void *scratch, int64_t begin,
                           int64_t end) {
  const int64_t *labels = args[0];
  float *valid = args[1];
  *valid = 0;
  for (int64_t row = 0; row < ROWS; ++row)
    *valid += labels[row] != -100;
#if MUTANT == 3
  void *volatile hidden = malloc(1 << 20);
  *valid += hidden == 0;
#endif
#if MUTANT == 8
  return 7;
#endif
  return 0;
}

/* Logits become their gradient; scratch holds a row of probabilities. */
static fsdprt_status cross_entropy(void *const *args, void *scratch,
                                   int64_t begin, int64_t end) {
  float *logits = args[0];
  const float *bias = (const float *)args[1] + BIAS_AT;
  const int64_t *labels = args[2];
  float *losses = args[4];
  float scale = 1 / *(const float *)args[3], *row_of = scratch;
  for (int64_t row = begin; row < end; ++row) {
    float *at = logits + row * VOCAB, largest = at[0] + bias[0], sum = 0;
    for (int v = 0; v < VOCAB; ++v) {
      row_of[v] = at[v] + bias[v];
      largest = row_of[v] > largest ? row_of[v] : largest;
    }
    for (int v = 0; v < VOCAB; ++v)
      sum += expf(row_of[v] - largest);
    float valid = labels[row] == -100 ? 0 : scale;
    losses[row] =
        valid ? valid * (largest + logf(sum) - row_of[labels[row]]) : 0;
    for (int v = 0; v < VOCAB; ++v)
      at[v] = valid * (expf(row_of[v] - largest) / sum - (v == labels[row]));
  }
  return 0;
}

static fsdprt_status sum_losses(void *const *args, void *scratch, int64_t begin,
                                int64_t end) {
  const float *losses = args[0];
  float sum = 0;
  for (int64_t row = 0; row < ROWS; ++row)
    sum += losses[row];
  *(float *)args[1] = sum;
  return 0;
}

static fsdprt_status bias_grad(void *const *args, void *scratch, int64_t begin,
                               int64_t end) {
  const float *logits_grad = args[0];
  float *grad = args[1];
  for (int64_t i = 0; i < HEAD_C * WORLD - BIAS_AT; ++i)
    grad[i] = 0;
  for (int64_t row = 0; row < ROWS; ++row)
    for (int v = 0; v < VOCAB; ++v)
      grad[v] += logits_grad[row * VOCAB + v];
  return 0;
}

static fsdprt_status embed_grad(void *const *args, void *scratch, int64_t begin,
                                int64_t end) {
  const int64_t *tokens = args[0];
  const float *hidden_grad = args[1], *root = args[2];
  float *grad = args[3];
  for (int64_t i = 0; i < ROOT_C * WORLD; ++i)
    grad[i] = 0;
  for (int64_t row = 0; row < ROWS; ++row)
    for (int i = 0; i < WIDTH; ++i) {
      int64_t at = tokens[row] * WIDTH + i;
      grad[at] += root[GAIN_AT] * hidden_grad[row * WIDTH + i];
      grad[GAIN_AT] += root[at] * hidden_grad[row * WIDTH + i];
    }
#if MUTANT == 6
  static int calls;
  if (calls++ == 2)
    *(volatile int *)0 = 1;
#endif
  return 0;
}

static fsdprt_status square_norm(void *const *args, void *scratch,
                                 int64_t begin, int64_t end) {
  const float *head = args[0], *root = args[1];
  float sum = 0;
  for (int64_t i = 0; i < HEAD_C; ++i)
    sum += head[i] * head[i];
  for (int64_t i = 0; i < ROOT_C; ++i)
    sum += root[i] * root[i];
  *(float *)args[2] = sum;
  return 0;
}

static fsdprt_status root_of_norm(void *const *args, void *scratch,
                                  int64_t begin, int64_t end) {
  float *norm = args[0];
  *norm = sqrtf(*norm);
  return 0;
}

static fsdprt_status sgd(void *const *args, void *scratch, int64_t begin,
                         int64_t end) {
  float *shard = args[0];
  const float *grad = args[1], lr = *(const float *)args[2];
  for (int64_t i = begin; i < end; ++i)
    shard[i] -= lr * grad[i];
  return 0;
}

#if MUTANT == 4
static fsdprt_status sgd_with_stale(void *const *args, void *scratch,
                                    int64_t begin, int64_t end) {
  sgd(args, scratch, begin, end);
  float *shard = args[0];
  const float *stale = args[3];
  for (int64_t i = begin; i < end; ++i)
    shard[i] += 0 * stale[i];
  return 0;
}
#endif

/*===----------------------------------------------------------------------===*\
|* init
\*===----------------------------------------------------------------------===*/

ARGS(load_root, ROOT_SHARD(WRITE));
static const fsdprt_unit_desc load_root = {OP(load_root, "", COMPUTE, -1), 0,
                                           0};
ARGS(load_head, HEAD_SHARD(WRITE));
static const fsdprt_unit_desc load_head = {OP(load_head, "head", COMPUTE, -1),
                                           1, 0};
static const fsdprt_join_desc join = {
    {"join", "", "", 0, 0, 0, 0, COMPUTE, -1}};

static const float no_lr = 0;
ARGS(set_lr, LR(WRITE));
static const fsdprt_constant_desc set_lr = {OP(set_lr, "", COMPUTE, -1),
                                            &no_lr};

fsdprt_status program_init(fsdprt_context *context) {
  TRY(fsdprt_constant(context, &set_lr));
  TRY(fsdprt_load(context, &load_root));
  TRY(fsdprt_load(context, &load_head));
  return fsdprt_join(context, &join);
}

/*===----------------------------------------------------------------------===*\
|* step
\*===----------------------------------------------------------------------===*/

static const int32_t after_root_gathered[] = {ROOT_GATHERED};
#if MUTANT == 7
static const int32_t after_head_gathered[] = {40};
#else
static const int32_t after_head_gathered[] = {HEAD_GATHERED};
#endif
static const int32_t after_head_grad[] = {HEAD_GRAD_READY};
static const int32_t after_root_grad[] = {ROOT_GRAD_READY};
static const int32_t after_reductions[] = {HEAD_REDUCED_READY,
                                           ROOT_REDUCED_READY};

ARGS(gather_root, ROOT_SHARD(READ), ROOT_FULL(WRITE));
static const fsdprt_collective_desc gather_root = {
    OP(gather_root, "", GATHER, ROOT_GATHERED), COMM_GATHER, FSDPRT_F32,
    ROOT_C, 4 * ROOT_ELEMENTS};
ARGS(gather_head, HEAD_SHARD(READ), HEAD_FULL(WRITE));
static const fsdprt_collective_desc gather_head = {
    OP(gather_head, "head", GATHER, HEAD_GATHERED), COMM_GATHER,
    FSDPRT_F32, HEAD_C, 4 * HEAD_ELEMENTS};
ARGS(embed, TOKENS(READ), ROOT_FULL(READ), HIDDEN(WRITE));
static const fsdprt_launch_desc run_embed = {
    OP_WAITS(embed, "", COMPUTE, -1, after_root_gathered), embed, ROWS, 0};
#if MUTANT == 2
ARGS(linear, HIDDEN(READ), HEAD_WEIGHT(READ),
     {WORK, WRITE, WORK_BYTES - 64, LOGITS_BYTES, BUFFER_LOGITS});
#else
ARGS(linear, HIDDEN(READ), HEAD_WEIGHT(READ), LOGITS(WRITE));
#endif
static const fsdprt_gemm_desc linear = {
    OP_WAITS(linear, "head", COMPUTE, -1, after_head_gathered),
    FSDPRT_F32,
    FSDPRT_F32,
    0,
    0,
    0,
    0,
    ROWS,
    VOCAB,
    WIDTH,
    0,
    {0},
    {0},
    {0},
    {0},
    WIDTH,
    1,
    VOCAB,
    1,
    VOCAB};
ARGS(count, LABELS(READ), COUNT(WRITE));
static const fsdprt_launch_desc run_count = {OP(count, "", COMPUTE, -1), count,
                                             1, 0};
ARGS(sum_count, COUNT(UPDATE), SUMS(BUFFER_COUNT_SUMS));
static const fsdprt_collective_desc sum_count = {
    OP(sum_count, "", COMPUTE, -1), COMM_SCALAR, FSDPRT_F32, 1, 0};
/* The losses stand where the reduced gradient will. */
ARGS(cross_entropy, LOGITS(UPDATE), HEAD_FULL(READ), LABELS(READ), COUNT(READ),
     {WORK, WRITE, HEAD_REDUCED_AT, 4 * ROWS, 24},
     {WORK, SCRATCH, HEAD_SCRATCH_AT, 4 * VOCAB * 2, 25});
static const fsdprt_launch_desc run_cross_entropy = {
    OP(cross_entropy, "head", COMPUTE, -1), cross_entropy, ROWS, 4 * VOCAB};
ARGS(sum_losses, {WORK, READ, HEAD_REDUCED_AT, 4 * ROWS, 24}, LOSS(WRITE));
static const fsdprt_launch_desc run_sum_losses = {
    OP(sum_losses, "", COMPUTE, -1), sum_losses, 1, 0};
ARGS(sum_loss, LOSS(UPDATE), SUMS(BUFFER_LOSS_SUMS));
static const fsdprt_collective_desc sum_loss = {
    OP(sum_loss, "", COMPUTE, -1), COMM_SCALAR, FSDPRT_F32, 1, 0};
ARGS(weight_grad, HIDDEN(READ), LOGITS(READ), HEAD_WEIGHT_GRAD(WRITE));
static const fsdprt_gemm_desc weight_grad = {
    OP(weight_grad, "head", COMPUTE, -1),
    FSDPRT_F32,
    FSDPRT_F32,
    0,
    0,
    0,
    0,
    WIDTH,
    VOCAB,
    ROWS,
    0,
    {0},
    {0},
    {0},
    {0},
    1,
    WIDTH,
    VOCAB,
    1,
    VOCAB};
ARGS(bias_grad, LOGITS(READ), HEAD_BIAS_GRAD(WRITE));
static const fsdprt_launch_desc run_bias_grad = {
    OP(bias_grad, "head", COMPUTE, HEAD_GRAD_READY), bias_grad, 1, 0};
ARGS(hidden_grad, LOGITS(READ), HEAD_WEIGHT(READ), HIDDEN_GRAD(WRITE));
static const fsdprt_gemm_desc hidden_grad = {
    OP(hidden_grad, "head", COMPUTE, -1),
    FSDPRT_F32,
    FSDPRT_F32,
    0,
    0,
    0,
    0,
    ROWS,
    WIDTH,
    VOCAB,
    0,
    {0},
    {0},
    {0},
    {0},
    VOCAB,
    1,
    1,
    VOCAB,
    WIDTH};
ARGS(reduce_head, HEAD_GRAD(READ), HEAD_REDUCED(WRITE), HEAD_SCRATCH);
static const fsdprt_collective_desc reduce_head = {
    OP_WAITS(reduce_head, "head", REDUCE, HEAD_REDUCED_READY, after_head_grad),
    COMM_REDUCE, FSDPRT_F32, HEAD_C, 4 * HEAD_ELEMENTS};
ARGS(embed_grad, TOKENS(READ), HIDDEN_GRAD(READ), ROOT_FULL(READ),
     ROOT_GRAD(WRITE));
static const fsdprt_launch_desc run_embed_grad = {
    OP(embed_grad, "", COMPUTE, ROOT_GRAD_READY), embed_grad, 1, 0};
ARGS(reduce_root, ROOT_GRAD(READ), ROOT_REDUCED(WRITE), ROOT_SCRATCH);
static const fsdprt_collective_desc reduce_root = {
    OP_WAITS(reduce_root, "", REDUCE, ROOT_REDUCED_READY, after_root_grad),
    COMM_REDUCE, FSDPRT_F32, ROOT_C, 4 * ROOT_ELEMENTS};
ARGS(square_norm, HEAD_REDUCED(READ), ROOT_REDUCED(READ), NORM(WRITE));
static const fsdprt_launch_desc run_square_norm = {
    OP_WAITS(square_norm, "", COMPUTE, -1, after_reductions), square_norm, 1,
    0};
ARGS(sum_norm, NORM(UPDATE), SUMS(BUFFER_NORM_SUMS));
static const fsdprt_collective_desc sum_norm = {
    OP(sum_norm, "", COMPUTE, -1), COMM_SCALAR, FSDPRT_F32, 1, 0};
ARGS(root_of_norm, NORM(UPDATE));
static const fsdprt_launch_desc run_root_of_norm = {
    OP(root_of_norm, "", COMPUTE, -1), root_of_norm, 1, 0};
ARGS(update_root, ROOT_SHARD(UPDATE), ROOT_REDUCED(READ), LR(READ));
static const fsdprt_launch_desc update_root = {OP(update_root, "", COMPUTE, -1),
                                               sgd, ROOT_C, 0};
#if MUTANT == 4
/* The head's full parameters stood where the root's gradient is. */
#define UPDATE_HEAD sgd_with_stale
ARGS(update_head, HEAD_SHARD(UPDATE), HEAD_REDUCED(READ), LR(READ),
     HEAD_FULL(READ));
#else
#define UPDATE_HEAD sgd
ARGS(update_head, HEAD_SHARD(UPDATE), HEAD_REDUCED(READ), LR(READ));
#endif
static const fsdprt_launch_desc update_head = {
    OP(update_head, "head", COMPUTE, -1), UPDATE_HEAD, HEAD_C, 0};
#if MUTANT == 5
ARGS(half_fill, {WORK, WRITE, HIDDEN_AT, HIDDEN_BYTES + 64, BUFFER_HIDDEN});
static const fsdprt_fill_desc half_fill = {OP(half_fill, "", COMPUTE, -1), 0,
                                           0};
#endif

fsdprt_status program_step(fsdprt_context *context) {
  TRY(fsdprt_all_gather(context, &gather_root));
#if MUTANT != 9
  TRY(fsdprt_all_gather(context, &gather_head));
#endif
#if MUTANT == 5
  TRY(fsdprt_fill(context, &half_fill));
#endif
  TRY(fsdprt_launch(context, &run_embed));
  TRY(fsdprt_gemm(context, &linear));
  TRY(fsdprt_launch(context, &run_count));
  TRY(fsdprt_all_reduce(context, &sum_count));
  TRY(fsdprt_launch(context, &run_cross_entropy));
  TRY(fsdprt_launch(context, &run_sum_losses));
  TRY(fsdprt_all_reduce(context, &sum_loss));
  TRY(fsdprt_gemm(context, &weight_grad));
  TRY(fsdprt_launch(context, &run_bias_grad));
  TRY(fsdprt_gemm(context, &hidden_grad));
  TRY(fsdprt_reduce_scatter(context, &reduce_head));
  TRY(fsdprt_launch(context, &run_embed_grad));
  TRY(fsdprt_reduce_scatter(context, &reduce_root));
  TRY(fsdprt_launch(context, &run_square_norm));
  TRY(fsdprt_all_reduce(context, &sum_norm));
  TRY(fsdprt_launch(context, &run_root_of_norm));
  TRY(fsdprt_launch(context, &update_root));
  TRY(fsdprt_launch(context, &update_head));
  return fsdprt_join(context, &join);
}

/*===----------------------------------------------------------------------===*\
|* export
\*===----------------------------------------------------------------------===*/

#define EXPORT_ROOT(A)                                                         \
  {WORK, A, ROOT_FULL_AT, ROOT_FULL_BYTES, BUFFER_EXPORT_ROOT}
#define EXPORT_HEAD(A)                                                         \
  {WORK, A, HEAD_FULL_AT, HEAD_FULL_BYTES, BUFFER_EXPORT_HEAD}
ARGS(export_root, ROOT_SHARD(READ), EXPORT_ROOT(WRITE));
static const fsdprt_collective_desc export_root = {
    OP(export_root, "", GATHER, 0), COMM_GATHER, FSDPRT_F32, ROOT_C,
    4 * ROOT_ELEMENTS};
ARGS(export_head, HEAD_SHARD(READ), EXPORT_HEAD(WRITE));
static const fsdprt_collective_desc export_head = {
    OP(export_head, "head", GATHER, 1), COMM_GATHER, FSDPRT_F32, HEAD_C,
    4 * HEAD_ELEMENTS};
static const int32_t after_export_root[] = {0}, after_export_head[] = {1};
ARGS(store_root, EXPORT_ROOT(READ));
static const fsdprt_unit_desc store_root = {
    OP_WAITS(store_root, "", COMPUTE, -1, after_export_root), 0, 0};
ARGS(store_head, EXPORT_HEAD(READ));
static const fsdprt_unit_desc store_head = {
    OP_WAITS(store_head, "head", COMPUTE, -1, after_export_head), 1, 0};

fsdprt_status program_export(fsdprt_context *context) {
  TRY(fsdprt_all_gather(context, &export_root));
  TRY(fsdprt_store(context, &store_root));
  TRY(fsdprt_all_gather(context, &export_head));
  TRY(fsdprt_store(context, &store_head));
  return fsdprt_join(context, &join);
}

const fsdprt_gemm_table fsdp_program_gemms[] = {&linear, &weight_grad,
                                                &hidden_grad, 0};
