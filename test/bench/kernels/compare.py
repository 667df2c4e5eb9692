#!/usr/bin/env python3
"""Memory-bound kernels against a plain copy and, where torch can be imported,
against PyTorch's eager ops on one thread, as a table.

    compare.py build/bin/kernel-bench
"""
import json
import statistics
import subprocess
import sys
import time


def torch_cases(torch):
    """One function a case, over rows that come from memory."""
    F = torch.nn.functional
    x = [torch.randn(1024, 768) for _ in range(40)]
    w, b = torch.randn(768), torch.randn(768)
    logits = torch.randn(1024, 50257, requires_grad=True)
    labels = torch.randint(0, 50257, (1024,))
    scores = [torch.randn(4, 12, 256, 256) for _ in range(8)]
    hidden = [torch.randn(1024, 3072) for _ in range(12)]
    p = torch.nn.Parameter(torch.randn(3543936))
    p.grad = torch.randn(3543936)
    adamw = torch.optim.AdamW([p], fused=True)
    native = torch.ops.aten
    y, mean, rstd = native.native_layer_norm(x[0], [768], w, b, 1e-5)

    def norm_grad(i, mask):
        native.native_layer_norm_backward(x[i % 20], x[20 + i % 20], [768], mean, rstd, w, b, mask)

    def loss(i):
        F.cross_entropy(logits, labels).backward()
        logits.grad = None

    return {
        "layer_normalization": lambda i: native.native_layer_norm(x[i % 40], [768], w, b, 1e-5),
        "residual_layer_normalization": lambda i: native.native_layer_norm(
            x[i % 20] + x[20 + i % 20], [768], w, b, 1e-5),
        "layer_norm_grad": lambda i: norm_grad(i, [True, False, False]),
        "layer_norm_param_grad": lambda i: norm_grad(i, [False, True, True]),
        "residual_layer_norm_grads": lambda i: norm_grad(i, [True, True, True]),
        "softmax": lambda i: F.softmax(scores[i % 8], -1),
        "cross_entropy_with_grad": loss,
        "adamw": lambda i: adamw.step(),
        "gelu_tanh": lambda i: F.gelu(hidden[i % 12], approximate="tanh"),
        "gelu_erf": lambda i: F.gelu(hidden[i % 12]),
        "residual_add": lambda i: x[i % 20].add_(x[20 + i % 20]),
    }


def torch_times():
    """Median milliseconds a case; empty without torch."""
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    times = {}
    for name, run in torch_cases(torch).items():
        seconds = []
        for i in range(5 if name.startswith("cross") else 25):
            start = time.perf_counter()
            run(i)
            seconds.append(time.perf_counter() - start)
        times[name] = statistics.median(seconds[2:]) * 1e3
    return times


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    output = subprocess.run([sys.argv[1], "--benchmark_filter=^[a-z_]+/iter", "--benchmark_format=json"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    theirs = torch_times()
    print("| kernel | MB | ms | GB/s | of the copy's | PyTorch, ms |\n|---|---|---|---|---|---|")
    for run in json.loads(output)["benchmarks"]:
        name = run["name"].split("/")[0]
        other = f"{theirs[name]:.2f}" if name in theirs else ""
        print(f"| {name} | {run['MB']:.1f} | {run['median_ms']:.2f} | {run['GB/s']:.1f} | "
              f"{run['of_copy']:.2f} | {other} |")


if __name__ == "__main__":
    main()
