#!/usr/bin/env bash
# Pre-trains on this machine as a pod does: several processes, each with CPU
# devices of its own, connected by jax.distributed. What follows the options
# goes to pretrain:
#
#   bash launch/local_pod.sh -n 4 --config=configs/pos_bert_smoke.py \
#     --data_dir=runs/quickstart/data --workdir=runs/local_pod
#
# Options: -n processes (4), -d devices of each (2). Ctrl-C saves and stops all.
# The exit code is the one of the programs that says most: 2 bad input, 1 fault,
# 130 interrupted, 75 preempted and saved, 0 done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

num_processes=4
num_devices=2
while [[ ${1:-} == -[nd] ]]; do
  if [[ $1 == -n ]]; then num_processes=${2:-}; else num_devices=${2:-}; fi
  shift $(($# > 1 ? 2 : 1))
done
for number in "$num_processes" "$num_devices"; do
  if ! [[ $number =~ ^[1-9][0-9]*$ ]]; then
    echo "error: -n and -d must be whole numbers >= 1, got '$number'" >&2
    exit 2
  fi
done
bash launch/install.sh

# The meeting of the processes takes the port below.
port=$(.venv/bin/python - <<'FREE_PORT'
import contextlib, socket
while True:
  with contextlib.suppress(OSError), socket.create_server(("", 0)) as upper:
    port = upper.getsockname()[1]
    with socket.create_server(("", port - 1)):
      print(port)
      break
FREE_PORT
)
export JAX_PLATFORMS=cpu
export XLA_FLAGS="${XLA_FLAGS:-} \
  --xla_force_host_platform_device_count=$num_devices"

set -m # Ctrl-C reaches this script alone, which hands it on.
pids=()
for ((i = 0; i < num_processes; i++)); do
  .venv/bin/python -m taskrobust_jax.pretrain \
    --pod="$i/$num_processes@127.0.0.1:$port" "$@" \
    > >(sed -u "s/^/[$i] /") 2> >(sed -u "s/^/[$i] /" >&2) &
  pids+=($!)
  echo "[$i] pid ${pids[i]}"
done

is_interrupted=
hand_on() {
  is_interrupted=1
  kill -s "$1" "${pids[@]}" 2>/dev/null || true
}
trap 'hand_on INT' INT
trap 'hand_on TERM' TERM

codes=()
for pid in "${pids[@]}"; do
  while :; do
    is_interrupted=
    code=0
    wait "$pid" || code=$?
    [[ $is_interrupted ]] || break # Otherwise the trap ended the waiting.
  done
  codes+=("$code")
done

has() {
  [[ " ${codes[*]} " == *" $1 "* ]]
}
echo "exit codes: ${codes[*]}"
for code in "${codes[@]}"; do
  case $code in
    0 | 2 | 75 | 130) ;;
    *) fault=1 ;;
  esac
done
if has 2; then exit 2; fi
if [[ ${fault:-} ]]; then exit 1; fi
if has 130; then exit 130; fi
if has 75; then exit 75; fi
