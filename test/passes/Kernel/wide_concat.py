"""Prints a function that joins as many tensors as asked for: see gpu-parameters.test."""
import sys

count = int(sys.argv[1])
names = [f"%a{i}" for i in range(count)]
part, whole = "tensor<4xf32>", f"tensor<{4 * count}xf32>"
print(f"func.func @f({', '.join(f'{name}: {part}' for name in names)}) -> {whole} {{")
print(f"  %y = onnx.concat {', '.join(names)} axis 0 : {', '.join([part] * count)} -> {whole}")
print(f"  return %y : {whole}\n}}")
