#!/usr/bin/env bash
# The study of notebooks/study_plan.md: pre-trains, fine-tunes and writes tables.
# Give it again to go on where it was stopped; what has ended is not run again.
#
#   TREEBANK=... NOVELS=... GLUE=... bash launch/study.sh [cpu|gpu] [small|full]
#
# TREEBANK holds train.conllu.gz and dev.conllu.gz (Universal Dependencies),
# NOVELS *.txt, GLUE CoLA/train.tsv.gz and so on. Runs lie in OUT (runs/study),
# lines and tables in RESULTS (OUT/results; the committed ones are those of
# notebooks/results/study). More flags go to `python -m taskrobust_jax.study`.
# cpu: one run a core. small: the headline rows.
set -euo pipefail
device=${1:-cpu} size=${2:-small}
: "${TREEBANK:?is not set: the folder of train.conllu.gz and dev.conllu.gz}"
: "${NOVELS:?is not set: the folder of text files}"
: "${GLUE:?is not set: the folder of CoLA/train.tsv.gz and so on}"
[[ $device != gpu ]] || export EXTRA=${EXTRA:-gpu}
treebank=$(realpath -m "$TREEBANK") novels=$(realpath -m "$NOVELS")
glue=$(realpath -m "$GLUE")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$(realpath -m "${OUT:-runs/study}")
source launch/common.sh
exec .venv/bin/python -m taskrobust_jax.study --device="$device" \
  --size="$size" --treebank="$treebank" --novels="$novels" --glue="$glue" \
  --out="$out" --results="${RESULTS:-$out/results}" "${@:3}"
