#!/usr/bin/env bash
# Installs into .venv and runs the default test suite on the CPU, two tests at a
# time. Arguments go on to pytest:
#
#   bash launch/test.sh                     # all but the tests marked ci
#   bash launch/test.sh tests/minimax -k saddle
#   bash launch/test.sh -n 0 --pdb tests/report          # one process
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch/install.sh
# Compiling is most of the time and uses one core: two workers, one a core. Each
# begins with half of the files and then takes over tests from the other.
export JAX_PLATFORMS=cpu
exec .venv/bin/python -m pytest -n 2 --dist=worksteal "$@"
