#!/usr/bin/env bash
# Trains to the end, whatever happens to the TPU: creates it, sets it up, runs;
# after a preemption deletes it and begins again, later each time. Stops when
# the run is done (0), at bad input or a refusal (2), when a fault comes back
# (1), when interrupted (130; the TPU and the run go on, launch/delete_tpu.sh
# ends them). The code is that committed when it was started.
#
#   bash launch/babysit_tpu.sh [--dry-run]
set -euo pipefail
# shellcheck source=launch/tpu_common.sh
source "$(dirname "${BASH_SOURCE[0]}")/tpu_common.sh"

REVISION=${REVISION:-$(git rev-parse HEAD)}
export REVISION
trap 'say "babysit: interrupted; $TPU_NAME and its run go on"; exit 130' \
  INT TERM

# In the background, so that this end hears a signal while it waits.
attempt() {
  local code=0
  bash "launch/$1_tpu.sh" ${dry_run:+"$dry_run"} &
  wait "$!" || code=$?
  return "$code"
}

wait=$BACKOFF_FIRST
faults=0
newest=0
while true; do
  for step in create setup run; do
    began=$(now)
    code=0
    attempt "$step" || code=$?
    ((code == 0)) || break
  done
  if [[ $step == run ]] && (($(now) - began >= LONG_RUN)); then
    wait=$BACKOFF_FIRST
  fi
  case $code in
    0)
      say "babysit: done; launch/delete_tpu.sh ends the TPU, which costs"
      exit
      ;;
    2 | 130)
      say "babysit: $step ended with $code; stops"
      exit "$code"
      ;;
    75)
      say "babysit: $step ended with 75; begins again in $wait s"
      # create_tpu.sh deletes what it must, and else leaves it in the queue.
      [[ $step == create ]] || attempt delete || true
      ;;
    *)
      found=$(on_workers ask first \
        "bash on_worker.sh step $(quoted "$WORKDIR")") || found=0
      if ((found > newest)); then faults=0; fi
      newest=$found
      if ((faults == RETRIES)); then
        say "babysit: $step ended with $code after $RETRIES retries; stops"
        exit 1
      fi
      faults=$((faults + 1))
      say "babysit: $step ended with $code;" \
        "retry $faults of $RETRIES in $wait s"
      ;;
  esac
  pause "$wait"
  wait=$((2 * wait < BACKOFF_CAP ? 2 * wait : BACKOFF_CAP))
done
