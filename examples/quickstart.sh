#!/usr/bin/env bash
# From nothing to a trained model: installs what is missing, builds, compiles
# examples/gpt (a GPT that PyTorch exported to ONNX, without weights) for a mesh
# of two ranks, trains it on the King James Bible, and says how it went.
#   STEPS=200 BATCH=2 LR=1e-3 examples/quickstart.sh
set -euo pipefail
cd "$(dirname "$0")/.."
steps=${STEPS:-200} batch=${BATCH:-2} lr=${LR:-1e-3}

.ci/setup fsdp-compile fsdp-run

# The text: public-domain English from Debian's package bible-kjv-text.
out=build/quickstart
mkdir -p "$out"
if [[ ! -s $out/text.txt ]]; then
  bible 'gen1:1-rev22:21' </dev/null >"$out/text.part"
  mv "$out/text.part" "$out/text.txt"
fi

build/bin/fsdp-compile examples/gpt/model.onnx --init \
  --dim batch="$batch" --dim seq=256 --loss cross_entropy \
  --optimizer adamw --weight-decay 0.1 --clip-grad-norm 1.0 \
  --mesh shard=2 -o "$out/gpt.fsdp"

build/bin/fsdp-run -n 2 "$out/gpt.fsdp" --data "$out/text.txt" \
  --tokenizer bytes --steps "$steps" --lr "$lr" --schedule cosine \
  --warmup $((steps / 10)) --metrics "$out/metrics.jsonl" --save "$out/gpt.safetensors"

echo "metrics: $out/metrics.jsonl   weights: $out/gpt.safetensors"
