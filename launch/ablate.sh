#!/usr/bin/env bash
# Pre-trains a grid of argument strings x seeds, one run after the other, and
# ends in a report on all of them. Give it again to go on where it was stopped:
#
#   bash launch/ablate.sh configs/ablation_strategy.py
#   bash launch/ablate.sh configs/ablation_strategy.py --config.num_steps=100
#
# What follows the file are flags of `prepare` and `pretrain`. Folders lie under
# runs/<the file's name>, or under the folder OUT; what a run printed is in logs/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ablation=${1:-}
if ! [[ -f $ablation ]]; then
  echo "error: '$ablation' is no file; give configs/ablation_*.py" >&2
  exit 2
fi
shift
out=${OUT:-runs/$(basename "$ablation" .py)}
source launch/common.sh

# A line a run: config, seed, its folder, its data's folder ("-": it needs none).
# Every argument string is read, so a wrong one is found before anything runs.
jobs=$(.venv/bin/python - "$ablation" <<'JOBS'
import re, runpy, sys
from taskrobust_jax.errors import InputError
ablation = runpy.run_path(sys.argv[1])
base, datasets = ablation["BASE"], {}
get_config = runpy.run_path(base)["get_config"]
lines = []
for text in ablation["ARGUMENTS"]:
  try:
    data = get_config(text).data
  except InputError as error:
    sys.exit(f"error: {sys.argv[1]}: {text!r}: {error}")
  folder = "-"
  if data.get("sources") != ("scenes",):
    folder = f"data{datasets.setdefault(data.to_json(), len(datasets))}"
  name = re.sub(r"[^\w=.,+-]", "_", text) or "base"
  for seed in ablation["SEEDS"]:
    lines.append((seed, f"{base}:{text}", f"{name}/seed{seed}", folder))
# All methods with the first seed, then all with the second.
for seed, *line in sorted(lines, key=lambda x: ablation["SEEDS"].index(x[0])):
  print(seed, *line, sep="\t")
JOBS
) || exit 2
mkdir -p "$out"
count=$(wc -l <<<"$jobs")
number=0
folders=()

train() {
  local data=$1 workdir=$2
  shift 2
  [[ $data == - ]] || .venv/bin/python -m taskrobust_jax.prepare "$@" || return
  .venv/bin/python -m taskrobust_jax.pretrain "$@" "$workdir"
}

# One line that a run's own lines pass through.
progress() {
  trap '' INT # After Ctrl-C the run saves, and says so.
  while IFS= read -r line; do
    printf '\r\033[K%s' "${1:0:48}  ${line:0:64}"
  done
}

while IFS=$'\t' read -r seed config name data <&3; do
  number=$((number + 1))
  log=$out/logs/$name.log
  mkdir -p "$(dirname "$log")"
  flags=(--config="$config" --config.seed="$seed" "$@")
  label="[$number/$count] $name"
  code=0
  [[ $data == - ]] || flags+=(--data_dir="$out/$data")
  train "$data" --workdir="$out/$name" "${flags[@]}" 2>&1 | tee -i "$log" |
    progress "$label" || code=${PIPESTATUS[0]}
  if ((code)); then
    printf '\n%s\n' "error: $name ended with exit code $code; see $log" >&2
    tail -n 3 "$log" >&2
    exit "$code"
  fi
  folders+=("$out/$name")
done 3<<<"$jobs"
echo
.venv/bin/python -m taskrobust_jax.report "${folders[@]}" --out="$out" \
  >"$out/report.txt"
tail -n 1 "$out/report.txt"
