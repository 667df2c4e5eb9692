"""Writes the token and label files that the goldens and the tests read.

    python tokens.py

Tokens follow a skewed bigram process, so that a model can learn something. The
labels are the tokens with many of them masked (-100), unevenly over the rows of
a batch: for a global batch of 24 on 8 ranks the first rank has no valid label.
Those of the larger vocabulary leave whole ranks without one on fewer ranks too.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
IGNORE = -100


def skewed_bigrams(vocab, count, seed):
    generator = np.random.default_rng(seed)
    unigram = 1.0 / np.arange(1, vocab + 1)
    unigram = generator.permutation(unigram / unigram.sum())
    successors = generator.choice(vocab, size=(vocab, 3), p=unigram)
    tokens = np.empty(count, dtype=np.uint16)
    tokens[0] = 0
    for i in range(1, count):
        if generator.random() < 0.6:
            tokens[i] = successors[tokens[i - 1], generator.integers(3)]
        else:
            tokens[i] = generator.choice(vocab, p=unigram)
    return tokens


def uneven_labels(tokens, seq, batch, seed, empty=()):
    """One label a token; a window's targets are the tokens behind its inputs.

    The windows in `empty` get no valid label.
    """
    generator = np.random.default_rng(seed)
    labels = tokens.astype(np.int32)
    masked = np.empty(len(tokens), dtype=bool)
    masked[0] = True
    for window in range((len(tokens) - 1) // seq + 1):
        row = window % batch
        none = row < batch // 8 or window in empty
        share = 1.0 if none else 0.9 if row < batch // 2 else 0.2
        targets = masked[window * seq + 1 : window * seq + seq + 1]
        targets[:] = generator.random(len(targets)) < share
    labels[masked] = IGNORE
    return labels


def main():
    # The counts leave a partial window, and batches that wrap around the end.
    small = skewed_bigrams(131, 9901, seed=1)
    small.tofile(HERE / "tokens-131.u16")
    uneven_labels(small, seq=32, batch=24, seed=2).tofile(HERE / "labels-131.i32")
    # Classes of tokens, for a head that is narrower than the vocabulary.
    (small % 5).astype(np.int32).tofile(HERE / "labels-5.i32")
    large = skewed_bigrams(1009, 7001, seed=3)
    large.tofile(HERE / "tokens-1009.u16")
    # In the fourth step the first half of the rows: whole ranks, of 2, 3 and 4.
    empty = range(3 * 24, 3 * 24 + 12)
    labels = uneven_labels(large, seq=24, batch=24, seed=4, empty=empty)
    labels.tofile(HERE / "labels-1009.i32")


if __name__ == "__main__":
    main()
