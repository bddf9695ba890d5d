#!/usr/bin/env bash
# Puts the code that is committed here (HEAD, or REVISION) on all workers of the
# TPU, installs it there and mounts the bucket. A run that is alive there is
# stopped first, and saves. Needs a key that asks for no passphrase:
# ssh-add ~/.ssh/google_compute_engine
#
#   bash launch/setup_tpu.sh [--dry-run]
set -euo pipefail
# shellcheck source=launch/tpu_common.sh
source "$(dirname "${BASH_SOURCE[0]}")/tpu_common.sh"

if [[ -n $(git status --porcelain) ]]; then
  echo "WARNING: what is not committed does not reach the TPU:" >&2
  git status --short >&2
fi
archive=runs/taskrobust_jax.tar.gz
mkdir -p runs
run git archive --format=tar.gz -o "$archive" "${REVISION:-HEAD}"
for node in $nodes; do
  run gcloud compute tpus tpu-vm scp "$archive" "$node:taskrobust_jax.tar.gz" \
    --worker=all --scp-flag=-oConnectTimeout=20 "${at[@]}" ||
    unless_gone 1 || exit
done
# Replaced by mv: a shell that executes the old one reads on in it.
on_workers run all "tar -xzOf taskrobust_jax.tar.gz launch/on_worker.sh \
>on_worker.new && mv on_worker.new on_worker.sh && \
bash on_worker.sh setup $(quoted "$BUCKET" "$MOUNT")" ||
  unless_gone 1 || exit
say "$TPU_NAME: set up"
