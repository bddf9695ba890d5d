#!/usr/bin/env bash
# From a fresh clone to a page: installs into .venv, prepares a small embedded
# corpus, pre-trains one small BERT twice on it (plain averaging, then minimax)
# and compares the two in runs/quickstart/report.html. A second call keeps the environment, the data and the
# compiled programs, and trains again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch/install.sh

out=runs/quickstart
config=configs/pos_bert_smoke.py
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$PWD/$out/cache}
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0

run() {
  printf '\n$ python'
  printf ' %s' "$@"
  printf '\n'
  .venv/bin/python "$@"
}

run -m taskrobust_jax.prepare --config=$config --data_dir=$out/data
# The runs of an earlier call would be found finished and not trained again.
rm -rf "$out/average" "$out/minimax"
run -m taskrobust_jax.pretrain --config=$config:strategy=uniform \
  --data_dir=$out/data --workdir=$out/average
run -m taskrobust_jax.pretrain --config=$config \
  --data_dir=$out/data --workdir=$out/minimax
run -m taskrobust_jax.report $out/average $out/minimax --out=$out
