// RUN: fsdp-opt %s --train-build-update="optimizer=sgd numbers=momentum=0.9,weight_decay=0.1 groups=l.?:lr=0.5x,*.b:momentum=0 no-decay=*.n" | FileCheck %s
// RUN: fsdp-opt %s --train-build-update="optimizer=sgd numbers=momentum=0.5 groups=l.w:nesterov=true,**:dampening=0.25" | FileCheck %s --check-prefix=FLAGS
// RUN: fsdp-opt %s --train-build-update="optimizer=adagrad numbers=initial_accumulator_value=0.1,lr_decay=0.01" | FileCheck %s --check-prefix=ADAGRAD
// RUN: fsdp-opt %s --train-build-update=optimizer=lion | FileCheck %s --check-prefix=LION
// RUN: fsdp-opt %s --train-build-update=optimizer=adam | FileCheck %s --check-prefix=ADAM
// RUN: fsdp-opt %s --train-build-update="optimizer=sgd ema=0.99 groups=l.?:lr=0.5x" | FileCheck %s --check-prefix=EMA
// RUN: fsdp-opt %s --train-build-update="optimizer=sgd numbers=momentum=0.5 ema=0.99 optimizer-dtype=bfloat16 groups=l.b:momentum=0" | FileCheck %s --check-prefix=ROUNDED
// RUN: not fsdp-opt %s --train-build-update="optimizer=sgd optimizer-dtype=bfloat16" 2>&1 | FileCheck %s --check-prefix=STATELESS
// RUN: not fsdp-opt %s --train-build-update="optimizer=adafactor optimizer-dtype=bfloat16" 2>&1 | FileCheck %s --check-prefix=FACTORED
// RUN: sed 's/xf32/xf64/g' %s | not fsdp-opt - --train-build-update="optimizer-dtype=bfloat16" 2>&1 | FileCheck %s --check-prefix=WIDE
// RUN: not fsdp-opt %s --train-build-update="optimizer-dtype=float16" 2>&1 | FileCheck %s --check-prefix=DTYPE
// RUN: not fsdp-opt %s --train-build-update="ema=1" 2>&1 | FileCheck %s --check-prefix=KEEP
// RUN: not fsdp-opt %s --train-build-update="groups=q.*:lr=0.5x" 2>&1 | FileCheck %s --check-prefix=UNMATCHED
// RUN: not fsdp-opt %s --train-build-update="groups=l.frozen:lr=0.5x" 2>&1 | FileCheck %s --check-prefix=FROZEN
// RUN: not fsdp-opt %s --train-build-update="groups=**:lr=0.5x,l.w:lr=2x" 2>&1 | FileCheck %s --check-prefix=LATE
// RUN: not fsdp-opt %s --train-build-update="groups=l.w:momentum=0.5" 2>&1 | FileCheck %s --check-prefix=OTHER
// RUN: not fsdp-opt %s --train-build-update="groups=l.w:eps=-1" 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not fsdp-opt %s --train-build-update="groups=l.w:lr=1e-3" 2>&1 | FileCheck %s --check-prefix=RATE
// RUN: not fsdp-opt %s --train-build-update="optimizer=adadelta" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: fsdp-opt %s --train-build-update="optimizer=adafactor numbers=d=2 groups=l.w:beta2_decay=-0.5" | FileCheck %s --check-prefix=ADAFACTOR
// RUN: not fsdp-opt %s --train-build-update="optimizer=adafactor numbers=d=0.5" 2>&1 | FileCheck %s --check-prefix=THRESHOLD

// Tests that a parameter goes by the numbers of the first group that it is in,
// and does not decay where it is not to, whatever its group.
// CHECK: train.update @l.w, {{.*}}#train.sgd<momentum = 9.000000e-01 : f64, decay = 1.000000e-01 : f64, lr_scale = 5.000000e-01 : f64>
// CHECK: train.update @l.b, {{.*}}#train.sgd<momentum = 9.000000e-01 : f64, decay = 1.000000e-01 : f64, lr_scale = 5.000000e-01 : f64>
// CHECK: train.update @l.n, {{.*}}#train.sgd<momentum = 9.000000e-01 : f64, decay = 0.000000e+00 : f64, lr_scale = 5.000000e-01 : f64>
// CHECK: train.update @m.b, {{.*}}#train.sgd<momentum = 0.000000e+00 : f64, decay = 1.000000e-01 : f64>

// FLAGS: train.update @l.w, {{.*}}#train.sgd<momentum = 5.000000e-01 : f64, nesterov = true, decay = 0.000000e+00 : f64>
// FLAGS: train.update @l.b, {{.*}}#train.sgd<momentum = 5.000000e-01 : f64, dampening = 2.500000e-01 : f64, decay = 0.000000e+00 : f64>
// ADAGRAD: train.update @l.w, {{.*}}#train.adagrad<lr_decay = 1.000000e-02 : f64, eps = 1.000000e-10 : f64, initial = 1.000000e-01 : f64, decay = 0.000000e+00 : f64>
// LION: train.update @l.w, {{.*}}#train.lion<beta1 = 9.000000e-01 : f64, beta2 = 0.98999999999999999 : f64, decay = 0.000000e+00 : f64>
// ADAFACTOR: train.update @l.w, {{.*}}#train.adafactor<beta2_decay = -5.000000e-01 : f64, eps1 = 1.1920928955078125E-7 : f64, eps2 = 1.000000e-03 : f64, d = 2.000000e+00 : f64, decay = 0.000000e+00 : f64>
// ADAFACTOR: train.update @l.b, {{.*}}#train.adafactor<beta2_decay = -8.000000e-01 : f64, eps1 = 1.1920928955078125E-7 : f64
// ADAM: train.update @l.w, {{.*}}#train.adam<beta1 = 9.000000e-01 : f64, beta2 = 0.99899999999999999 : f64, eps = 1.000000e-08 : f64, decay = 0.000000e+00 : f64>

// EMA: train.update @l.w, {{.*}}#train.averaged<rule = #train.sgd<momentum = 0.000000e+00 : f64, decay = 0.000000e+00 : f64, lr_scale = 5.000000e-01 : f64>, keep = 0.98999999999999999 : f64>
// EMA: train.update @m.b, {{.*}}keep = 0.98999999999999999 : f64>

// Tests that moments are rounded, averages and rules without moments not.
// ROUNDED: train.update @l.w, {{.*}}#train.averaged<rule = #train.rounded<rule = #train.sgd<momentum = 5.000000e-01 : f64, decay = 0.000000e+00 : f64>, type = bf16>, keep = 0.98999999999999999 : f64>
// ROUNDED: train.update @l.b, {{.*}}#train.averaged<rule = #train.sgd<momentum = 0.000000e+00 : f64, decay = 0.000000e+00 : f64>, keep

// STATELESS: error: --optimizer-dtype bfloat16 has no effect: sgd without momentum keeps no moment of each element
// FACTORED: error: --optimizer-dtype bfloat16 has no effect: adafactor keeps no moment of each element
// WIDE: error: --optimizer-dtype bfloat16 is for parameters of f32, 'l.w' is of f64
// DTYPE: error: unknown optimizer dtype 'float16', expected float32 or bfloat16
// KEEP: error: --ema is 1.000000, expected a number in [0, 1)
// UNMATCHED: error: --group 'q.*' matches no parameter; nearest: 'l.
// FROZEN: error: --group 'l.frozen' matches no parameter that is trained
// LATE: error: --group 'l.w' has no effect: all parameters that it matches are in groups before it
// OTHER: error: --group 'l.w:momentum=0.5': adamw has no number 'momentum', expected lr, betas, eps, weight_decay; nearest:
// NUMBER: error: --group 'l.w:eps=-1': eps is -1, expected a number in [0, 3.4e+38]
// RATE: error: --group 'l.w:lr=1e-3': lr is '1e-3', expected a multiple of fsdp-run's --lr, such as 0.1x
// UNKNOWN: error: unknown optimizer 'adadelta', expected adamw, adam, sgd, adagrad, lion or adafactor
// THRESHOLD: error: d is 0.5, expected a number in [1, 3.4e+38]

onnx.parameter @"l.w" : tensor<4xf32>
onnx.parameter @"l.b" : tensor<4xf32>
onnx.parameter @"l.n" : tensor<4xf32>
onnx.parameter @"m.b" : tensor<4xf32>
onnx.parameter @"l.frozen" : tensor<4xf32> {frozen}
func.func @step(%x: tensor<4xf32>, %loss: tensor<f32>, %n: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  train.gradient @"l.w", %x : tensor<4xf32>
  train.gradient @"l.b", %x : tensor<4xf32>
  train.gradient @"l.n", %x : tensor<4xf32>
  train.gradient @"m.b", %x : tensor<4xf32>
  return %loss, %n : tensor<f32>, tensor<f32>
}
