#!/usr/bin/env bash
# Deletes the TPU and what runs on it, asking nothing; the bucket stays. To let
# a run save first: bash launch/setup_tpu.sh stops it.
#
#   bash launch/delete_tpu.sh [--dry-run]
set -euo pipefail
# shellcheck source=launch/tpu_common.sh
source "$(dirname "${BASH_SOURCE[0]}")/tpu_common.sh"

state=$(state_of_tpu)
if [[ $state == NONE || $state == DELETING ]]; then
  say "$TPU_NAME: $state"
  exit
fi
run gcloud compute tpus queued-resources delete "$TPU_NAME" --force "${at[@]}"
say "$TPU_NAME: deleted"
