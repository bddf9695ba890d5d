#!/usr/bin/env bash
# From a fresh clone to a page: installs into .venv, pre-trains one small model
# twice on the same examples (plain averaging, then minimax) and compares the
# two in report.html. A second call keeps the environment, the data and the
# compiled programs, and trains again.
#
#   bash launch/quickstart.sh           # BERT on a small embedded corpus
#   bash launch/quickstart.sh vision    # a masked autoencoder on made scenes,
#                                       # and pictures of what it recovers
#
# What follows `text` or `vision` are flags of `prepare` and `pretrain`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-text} in
  text) out=runs/quickstart config=configs/pos_bert_smoke.py ;;
  vision) out=runs/quickstart_vision config=configs/multimae_smoke.py ;;
  *)
    echo "error: 'text' or 'vision' are legal, got '$1'" >&2
    exit 2
    ;;
esac
source launch/common.sh

run -m taskrobust_jax.prepare --config=$config --data_dir=$out/data "${@:2}"
# The runs of an earlier call would be found finished and not trained again.
rm -rf "$out/average" "$out/minimax"
run -m taskrobust_jax.pretrain --config=$config:strategy=uniform \
  --data_dir=$out/data --workdir=$out/average "${@:2}"
run -m taskrobust_jax.pretrain --config=$config \
  --data_dir=$out/data --workdir=$out/minimax "${@:2}"
run -m taskrobust_jax.report $out/average $out/minimax --out=$out
if [[ $config == configs/multimae_smoke.py ]]; then
  run -m taskrobust_jax.reconstruct $out/average $out/minimax \
    --data_dir=$out/data --out=$out
fi
