#!/usr/bin/env bash
# Trains CONFIG in WORKDIR on all workers of the TPU, from the last checkpoint
# if there is one, and waits. Training goes on when the connection breaks or
# this is interrupted; given again, it stops what is alive (it saves) and goes
# on from there.
#
#   bash launch/run_tpu.sh [--dry-run]
#
# Its exit code is the run's: 0 if all workers end with 0; else 2 if one does; 1
# if one has a fault; 75 if it was preempted, 130 if it was interrupted.
set -euo pipefail
# shellcheck source=launch/tpu_common.sh
source "$(dirname "${BASH_SOURCE[0]}")/tpu_common.sh"

# Where in a multislice a worker stands, JAX and libtpu read from the machine.
job all taskrobust_jax.pretrain --pod=auto --config="$CONFIG" \
  --data_dir="$DATA_DIR" --workdir="$WORKDIR" ${FLAGS[@]+"${FLAGS[@]}"} || exit
say "$RUN_NAME: done"
