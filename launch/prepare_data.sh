#!/usr/bin/env bash
# Makes the dataset of CONFIG in DATA_DIR, on the TPU's first worker. It goes on
# there when the connection breaks or this is interrupted.
#
#   bash launch/prepare_data.sh [--dry-run]
set -euo pipefail
# shellcheck source=launch/tpu_common.sh
source "$(dirname "${BASH_SOURCE[0]}")/tpu_common.sh"

job first taskrobust_jax.prepare --config="$CONFIG" --data_dir="$DATA_DIR" \
  ${FLAGS[@]+"${FLAGS[@]}"} || exit
say "$DATA_DIR: done"
