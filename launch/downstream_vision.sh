#!/usr/bin/env bash
# From procedural scenes to a report, on two cores: pre-trains two small masked
# autoencoders on the same scenes (plain averaging, then minimax), fine-tunes
# both, and the same model before any training, on classes, segmentation and
# depth, and compares them. What is finished is not run again.
#
#   bash launch/downstream_vision.sh [OUT]
#
# OUT is runs/downstream_vision. STEPS (1500), EXAMPLES (256), DEV_ROWS (256),
# SEEDS (0,1,2) and TASKS may be set in the environment, and so may be folders or
# archives of more tasks, as data/pictures/image_folders.py has them: CAMVID, TUM (depth)
# and TINY_IMAGENET.
set -euo pipefail
if [[ $# -gt 1 ]]; then
  echo "usage: bash launch/downstream_vision.sh [OUT]" >&2
  exit 2
fi
tasks=${TASKS:-scenes_classes,scenes_segmentation,scenes_depth}
sources=()
add() {
  if [[ -n $3 ]]; then
    sources+=("--config.pictures.$1.source=$2=$(realpath "$3")")
    tasks+=,$1
  fi
}
add camvid camvid "${CAMVID:-}"
add tum_depth tum_rgbd "${TUM:-}"
add tiny_imagenet image_folder "${TINY_IMAGENET:-}"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$(realpath -m "${1:-runs/downstream_vision}")
steps=${STEPS:-1500}
source launch/common.sh

config=configs/multimae_smoke.py
for method in average minimax; do
  strategy=
  [[ $method == average ]] && strategy=:strategy=uniform
  run -m taskrobust_jax.pretrain --config=$config$strategy \
    "--config.num_steps=$steps" \
    "--config.optimizer.warmup_steps=$((steps / 10))" \
    --workdir="$out/pretrain_$method"
done
for method in average minimax random; do
  from=$out/pretrain_$method
  [[ $method == random ]] && from=random:$out/pretrain_average
  run -m taskrobust_jax.finetune --config=configs/finetune_vision.py \
    --from="$from" --tasks="$tasks" "${sources[@]}" \
    --num_examples="${EXAMPLES:-256}" --seeds="${SEEDS:-0,1,2}" \
    --config.evaluation.max_rows="${DEV_ROWS:-256}" \
    --config.optimizer.learning_rate=2e-3 \
    --workdir="$out/finetune_$method"
done
run -m taskrobust_jax.report "$out"/finetune_* --out="$out/report"
