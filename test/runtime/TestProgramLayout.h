/*===- TestProgramLayout.h - Memory of the hand-written program -*- C -*-===*\
|*
|* Every number is an expression in WORLD: the program is compiled once for each
|* world (-DWORLD=2), and the tests make its manifest with a variable WORLD.
|*
|* The model predicts the next byte: gain * embedding[token], a linear layer
|* with bias, cross-entropy; SGD. The root unit has embedding and gain, the
|* unit "head" weight and bias.
|*
\*===----------------------------------------------------------------------===*/
#ifndef FSDPRT_TEST_RUNTIME_TESTPROGRAMLAYOUT_H
#define FSDPRT_TEST_RUNTIME_TESTPROGRAMLAYOUT_H

/* Communicators, as TestProgram.cpp lists them. */
enum { COMM_GATHER, COMM_REDUCE, COMM_SCALAR };

#define VOCAB 256
#define WIDTH 12
#define SEQ 8
#define GLOBAL_BATCH 12
#define BATCH (GLOBAL_BATCH / WORLD)
#define ROWS (BATCH * SEQ)

/* Elements. */
#define GAIN_AT (VOCAB * WIDTH)
#define ROOT_ELEMENTS (GAIN_AT + 1)
#define BIAS_AT (WIDTH * VOCAB)
#define HEAD_ELEMENTS (BIAS_AT + VOCAB)
#define SHARD(ELEMENTS) (((ELEMENTS) + 16 * WORLD - 1) / (16 * WORLD) * 16)
#define ROOT_C SHARD(ROOT_ELEMENTS)
#define HEAD_C SHARD(HEAD_ELEMENTS)

/* Arena 0, state. */
#define ROOT_SHARD_AT 0
#define ROOT_SHARD_BYTES (4 * ROOT_C)
#define HEAD_SHARD_AT (ROOT_SHARD_AT + ROOT_SHARD_BYTES)
#define HEAD_SHARD_BYTES (4 * HEAD_C)
#define LR_AT (HEAD_SHARD_AT + HEAD_SHARD_BYTES)
#define STATE_BYTES (LR_AT + 64)

/* Arena 1, work. */
#define TOKENS_AT 0
#define TOKENS_BYTES (8 * ROWS)
#define LABELS_AT (TOKENS_AT + TOKENS_BYTES)
#define LABELS_BYTES (8 * ROWS)
#define COUNT_AT (LABELS_AT + LABELS_BYTES)
#define LOSS_AT (COUNT_AT + 64)
#define NORM_AT (LOSS_AT + 64)
#define SUMS_AT (NORM_AT + 64) /* scratch of the scalar all-reduces */
#define SUMS_BYTES (4 * WORLD)
#define ROOT_FULL_AT (SUMS_AT + 64)
#define ROOT_FULL_BYTES (4 * ROOT_C * WORLD)
#define HEAD_FULL_AT (ROOT_FULL_AT + ROOT_FULL_BYTES)
#define HEAD_FULL_BYTES (4 * HEAD_C * WORLD)
#define HIDDEN_AT (HEAD_FULL_AT + HEAD_FULL_BYTES)
#define HIDDEN_BYTES (4 * ROWS * WIDTH)
#define LOGITS_AT (HIDDEN_AT + HIDDEN_BYTES)
#define LOGITS_BYTES (4 * ROWS * VOCAB)
#define HEAD_GRAD_AT (LOGITS_AT + LOGITS_BYTES)
#define HEAD_GRAD_BYTES HEAD_FULL_BYTES
#define HEAD_SCRATCH_AT (HEAD_GRAD_AT + HEAD_GRAD_BYTES)
#define HEAD_REDUCED_AT (HEAD_SCRATCH_AT + HEAD_FULL_BYTES)
#define HIDDEN_GRAD_AT (HEAD_REDUCED_AT + HEAD_SHARD_BYTES)
#define ROOT_REDUCED_AT (HIDDEN_GRAD_AT + HIDDEN_BYTES)
#define ROOT_SCRATCH_AT (ROOT_REDUCED_AT + ROOT_SHARD_BYTES)
/* Where the head's parameters were: their last use is before the first of
 * this. */
#define ROOT_GRAD_AT HEAD_FULL_AT
#define ROOT_GRAD_BYTES ROOT_FULL_BYTES
#define WORK_BYTES (ROOT_SCRATCH_AT + ROOT_FULL_BYTES)

#endif /* FSDPRT_TEST_RUNTIME_TESTPROGRAMLAYOUT_H */
