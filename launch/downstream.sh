#!/usr/bin/env bash
# From a treebank and GLUE to a report, on two cores: pre-trains two small BERTs
# on the same examples (plain averaging, then minimax), fine-tunes both, and the
# same model before any training, on five tasks of GLUE and on tagging, and
# compares them. What is finished is not run again.
#
#   bash launch/downstream.sh TREEBANK GLUE [OUT]
#
# TREEBANK holds train.conllu.gz and dev.conllu.gz (Universal Dependencies), GLUE
# holds CoLA/train.tsv.gz and so on, plain or compressed. OUT is runs/downstream.
# STEPS (3000), EXAMPLES (512), DEV_ROWS (512) and SEEDS (0,1,2) may be set in the
# environment.
set -euo pipefail
if [[ $# -lt 2 || ! -d $1 || ! -d $2 ]]; then
  echo "usage: bash launch/downstream.sh TREEBANK GLUE [OUT]" >&2
  exit 2
fi
treebank=$(realpath "$1") glue=$(realpath "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$(realpath -m "${3:-runs/downstream}")
steps=${STEPS:-3000}
source launch/common.sh

# Both learning rates suit so narrow a model. Fine-tuning at 1e-3 gained less from
# pre-trained params than from random ones: these are smaller, and steps of one
# size change them more.
settings=(
  "--config.data.train_path=$treebank/train.conllu.gz"
  "--config.data.eval_path=$treebank/dev.conllu.gz"
  --config.data.vocabulary_size=4096
  --config.model.width=64
  --config.model.mlp_width=256
  "--config.num_steps=$steps"
  --config.optimizer.learning_rate=3e-3
  "--config.optimizer.warmup_steps=$((steps / 10))"
  "--config.evaluation.max_rows=256"
)
config=configs/pos_bert_tiny_ewt.py
run -m taskrobust_jax.prepare --config=$config "${settings[@]}" \
  --data_dir="$out/data"
for method in average minimax; do
  strategy=
  [[ $method == average ]] && strategy=:strategy=uniform
  run -m taskrobust_jax.pretrain --config=$config$strategy "${settings[@]}" \
    --data_dir="$out/data" --workdir="$out/pretrain_$method"
done
for method in average minimax random; do
  from=$out/pretrain_$method
  [[ $method == random ]] && from=random:$out/pretrain_average
  run -m taskrobust_jax.finetune --config=configs/finetune_glue.py \
    --from="$from" --tasks=CoLA,SST-2,MRPC,STS-B,WNLI,tagging \
    --data_dir="$glue" \
    --config.tagging.train_path="$treebank/train.conllu.gz" \
    --config.tagging.eval_path="$treebank/dev.conllu.gz" \
    --num_examples="${EXAMPLES:-512}" --seeds="${SEEDS:-0,1,2}" \
    --config.evaluation.max_rows="${DEV_ROWS:-512}" \
    --config.optimizer.learning_rate=3e-3 \
    --workdir="$out/finetune_$method"
done
run -m taskrobust_jax.report "$out"/finetune_* --out="$out/report"
