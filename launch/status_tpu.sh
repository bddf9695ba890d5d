#!/usr/bin/env bash
# Shows the states of the queued resource and of its nodes, what is alive on
# each worker, and the last rows of the run.
#
#   bash launch/status_tpu.sh [--dry-run]
set -euo pipefail
# shellcheck source=launch/tpu_common.sh
source "$(dirname "${BASH_SOURCE[0]}")/tpu_common.sh"

state=$(state_of_tpu)
say "$TPU_NAME: $state"
[[ $state == ACTIVE || $state == LOST ]] || exit 0
ask gcloud compute tpus tpu-vm list --filter="name~$their_names" \
  --format='value(name.basename(),state,health)' "${at[@]}"
on_workers ask all "bash on_worker.sh status" || true
on_workers ask first "bash on_worker.sh rows $(quoted "$WORKDIR")"
