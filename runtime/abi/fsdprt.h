/*===- fsdprt.h - ABI between a compiled program and the runtime -*- C -*-===*\
|*
|* A compiled program is a shared object with one entry point a phase
|*   fsdprt_status <phase>(fsdprt_context *context);
|* a straight line of calls to the functions of functions.def. Everything a
|* call needs stands in a constant descriptor: which bytes of which arena it
|* reads and writes, on which stream, after which events. The runtime owns the
|* arenas and knows nothing of planned lifetimes: it records what it is told.
|*
|* The header is plain C and has no dependency, so that the compiler (which
|* lays the descriptors out as LLVM constants) and the runtime read the same
|* text. Field order is the ABI, which passes/Lower/Descriptors.cpp takes from
|* here by the fields' names.
|*
\*===----------------------------------------------------------------------===*/
#ifndef FSDPRT_ABI_FSDPRT_H
#define FSDPRT_ABI_FSDPRT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever a descriptor or the manifest changes shape; the program
 * exports it as the global int32_t `fsdp_program_abi`, and a program of
 * another number is refused before anything runs. */
#define FSDPRT_ABI_VERSION 6

typedef struct fsdprt_context fsdprt_context; /* one rank */
typedef int32_t fsdprt_status;                /* 0: success */

/* Streams. Each communicator lives on exactly one of them. */
enum {
  FSDPRT_STREAM_COMPUTE = 0,
  FSDPRT_STREAM_GATHER = 1,
  FSDPRT_STREAM_REDUCE = 2,
  FSDPRT_STREAM_COPY = 3,
  FSDPRT_NUM_STREAMS = 4
};

enum {
  FSDPRT_ACCESS_READ = 1,
  FSDPRT_ACCESS_WRITE = 2,
  FSDPRT_ACCESS_READ_WRITE = 3,
  FSDPRT_ACCESS_SCRATCH = 4 /* undefined before and after */
};

enum {
  FSDPRT_F32 = 0,
  FSDPRT_F64 = 1,
  FSDPRT_BF16 = 2,
  FSDPRT_F16 = 3,
  FSDPRT_I64 = 4,
  FSDPRT_I32 = 5,
  FSDPRT_I8 = 6,
  FSDPRT_BOOL = 7
};

/* `bytes` bytes at `offset` of arena number `arena` (manifest order). `buffer`
 * is the plan's number for the buffer these bytes belong to. */
typedef struct {
  int32_t arena;
  int32_t access; /* FSDPRT_ACCESS_* */
  int64_t offset;
  int64_t bytes;
  int64_t buffer;
} fsdprt_arg;

/* The head of every descriptor. Events are small numbers, unique in a phase
 * and recorded once in it; `waits` are events that earlier operations of the
 * phase record. */
typedef struct {
  const char *name;       /* what: "layer_norm", "all_gather" */
  const char *unit;       /* FSDP unit, "" outside of any */
  const char *scope;      /* module path in the model */
  const fsdprt_arg *args; /* `num_args` of them */
  const int32_t *waits;   /* `num_waits` events to wait for */
  int32_t num_args;
  int32_t num_waits;
  int32_t stream; /* FSDPRT_STREAM_* */
  int32_t record; /* event recorded at the end, or -1 */
} fsdprt_op;

/* kernel(args, scratch, begin, end): args[i] points at argument i's first
 * byte, scratch at this worker's own `scratch_bytes` (64-byte aligned; null
 * when 0), [begin, end) is a part of the outer loop [0, extent). Any split of
 * the range over workers gives the same bits. */
typedef fsdprt_status (*fsdprt_kernel)(void *const *args, void *scratch,
                                       int64_t begin, int64_t end);

/* When `scratch_bytes` is not 0 the last argument has access SCRATCH and holds
 * one such piece a worker (CPU) or block (CUDA). On the CPU it is not passed in
 * args. On CUDA `symbol` is the entry
 *   void symbol(operands..., results..., scratch if any, int32_t *status)
 * of the program's GPU code, a pointer each, in the order of the arguments;
 * block b takes scratch from b * scratch_bytes on, and a kernel that fails
 * writes its status, which is not 0. */
typedef struct {
  fsdprt_op op;
  fsdprt_kernel kernel; /* CPU; null on CUDA */
  int64_t extent;
  int64_t scratch_bytes;   /* of one worker (CPU) or one block (CUDA) */
  const char *symbol;      /* CUDA; null on the CPU */
  int32_t blocks, threads; /* CUDA: the grid and a block; 0 on the CPU */
} fsdprt_launch_desc;

#define FSDPRT_MAX_BATCH_DIMS 4

/* C[b] = A[b] B[b] (+ C[b] when `accumulate`), A is m x k, B is k x n, C is
 * m x n. Strides are in elements; element (i, j) of matrix b of X stands at
 * sum(b[d] * x_batch_strides[d]) + i * x_row_stride + j * x_col_stride. For A
 * and B one of row and column stride is 1; C's column stride is 1. A batch
 * stride of 0 broadcasts (A, B only). `adds` says what is added to the product
 * before it is rounded: a row of n elements of A's type to every row, a matrix
 * laid out like C and of its type. Arguments: A, B, C, those, and the library's
 * scratchpad when there is one more. */
enum { FSDPRT_GEMM_BIAS = 1, FSDPRT_GEMM_RESIDUAL = 2 };

typedef struct {
  fsdprt_op op;
  int32_t dtype;   /* of A and B: FSDPRT_F32, _BF16 or, on CUDA, _F16 */
  int32_t c_dtype; /* of C: the same, or FSDPRT_F32 */
  int32_t accumulate;
  int32_t adds;      /* FSDPRT_GEMM_... */
  int32_t precision; /* of f32: 0: exact products, 1: TF32 is allowed */
  int32_t reserved;
  int64_t m, n, k;
  int64_t num_batch_dims;
  int64_t batch[FSDPRT_MAX_BATCH_DIMS];
  int64_t a_batch_strides[FSDPRT_MAX_BATCH_DIMS];
  int64_t b_batch_strides[FSDPRT_MAX_BATCH_DIMS];
  int64_t c_batch_strides[FSDPRT_MAX_BATCH_DIMS];
  int64_t a_row_stride, a_col_stride;
  int64_t b_row_stride, b_col_stride;
  int64_t c_row_stride;
} fsdprt_gemm_desc;

/* A program exports `fsdp_program_gemms`, an array of pointers to the
 * descriptors of all its products, ended by a null pointer: they are prepared
 * when it is loaded, so that a host that cannot compute one says so before
 * anything runs, and no step waits for the library's code generator. */
typedef const fsdprt_gemm_desc *fsdprt_gemm_table;

/* `count` elements at `offset` of a shard. */
typedef struct {
  int64_t offset;
  int64_t count;
} fsdprt_segment;

/* `count` is the elements of one rank's part.
 * all_gather: args shard (count), line (N * count). Rank r's shard lands at
 *   element r * count of the line.
 * reduce_scatter: args line (N * count), shard (count), on the CPU scratch
 *   (N * count):
 *   shard = sum over the ranks, in rank order, of their line's interval
 *   [r * count, (r + 1) * count).
 * With `num_segments` not 0 these two do the same for each segment of the
 *   shard on its own, at once: of a segment (o, c) rank r's elements are
 *   [N * o + r * c, N * o + (r + 1) * c) of the line. Segments ascend and do
 *   not overlap. An all_gather leaves the rest of the line as it was, a
 *   reduce_scatter zeroes the rest of the shard.
 * all_reduce: args buffer (count, read and written), on the CPU scratch
 *   (N * count): sum in rank order, equal bits on all ranks.
 * With one rank the same results, no communication. */
typedef struct {
  fsdprt_op op;
  int32_t comm;  /* the program's communicator, in the manifest's order */
  int32_t dtype; /* on the wire and in the sum */
  int64_t count;
  int64_t payload_bytes; /* unsharded payload without padding, for metrics;
                            0 for scalar all-reduces */
  const fsdprt_segment *segments;
  int64_t num_segments; /* 0: the whole shard is one */
} fsdprt_collective_desc;

typedef struct {
  fsdprt_op op; /* one argument, written */
  int32_t byte;
  int32_t reserved;
} fsdprt_fill_desc;

typedef struct {
  fsdprt_op op; /* source, destination: equal bytes */
} fsdprt_copy_desc;

typedef struct {
  fsdprt_op op;     /* one argument, written */
  const void *data; /* as many bytes, in the program */
} fsdprt_constant_desc;

/* load: one argument, the shard of line `line` of unit number `unit_index`
 * (manifest order), written. store: one argument, the gathered line, read. */
typedef struct {
  fsdprt_op op;
  int32_t unit_index;
  int32_t line;
} fsdprt_unit_desc;

typedef struct {
  fsdprt_op op; /* no arguments */
} fsdprt_join_desc;

#define FSDPRT_FUNCTION(NAME, DESC, SUMMARY)                                   \
  fsdprt_status NAME(fsdprt_context *context, const DESC *desc);
#include "functions.def"

/* What kernels call (kernel_functions.def).
 *
 * C = alpha op(A) op(B) (+ C with FSDPRT_TILE_ADD), f32, on the calling thread
 * alone: C is m x n, op(A) m x k, op(B) k x n, row-major with `lda`, `ldb` and
 * `ldc` elements from row to row; a transposed operand is stored as its
 * transpose. Equal arguments give equal bits on every thread. `_bf16`: A and B
 * are bfloat16 (the upper half of an f32), sums and C f32. */
enum { FSDPRT_TILE_TRANS_A = 1, FSDPRT_TILE_TRANS_B = 2, FSDPRT_TILE_ADD = 4 };
fsdprt_status fsdprt_tile_gemm(int32_t flags, int64_t m, int64_t n, int64_t k,
                               float alpha, const float *a, int64_t lda,
                               const float *b, int64_t ldb, float *c,
                               int64_t ldc);
fsdprt_status fsdprt_tile_gemm_bf16(int32_t flags, int64_t m, int64_t n,
                                    int64_t k, float alpha, const uint16_t *a,
                                    int64_t lda, const uint16_t *b, int64_t ldb,
                                    float *c, int64_t ldc);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* FSDPRT_ABI_FSDPRT_H */
