#!/usr/bin/env bash
# Kills, starves, poisons and damages a tiny run in every way that the README
# promises it survives, and prints a table: case, tries, survived, lost.
#
#   bash launch/torture.sh             # all of it; within an hour on 2 cores
#   bash launch/torture.sh reduced     # some of each, a few minutes
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch/install.sh
export JAX_PLATFORMS=cpu
exec .venv/bin/python -m tests.torture "$@"
