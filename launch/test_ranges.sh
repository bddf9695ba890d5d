#!/usr/bin/env bash
# Runs the default tests with the lowest or the newest packages that the ranges of
# pyproject.toml allow, in an environment of its own (.venv-lowest, .venv-newest).
# Arguments go on to pytest:
#
#   bash launch/test_ranges.sh lowest
#   PYTHON=python3.13 bash launch/test_ranges.sh newest tests/minimax
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

which=${1:-}
case $which in
  lowest) resolution=lowest-direct ;;
  newest) resolution=highest ;;
  *)
    echo "error: give lowest or newest, got '$which'" >&2
    exit 2
    ;;
esac
venv=.venv-$which
"${PYTHON:-python3}" -m venv --clear "$venv"
# pip has no way to ask for the lowest versions.
"$venv/bin/pip" --disable-pip-version-check install -qq uv
VIRTUAL_ENV=$venv "$venv/bin/uv" pip install --quiet \
  --resolution "$resolution" -e '.[dev]'
export JAX_PLATFORMS=cpu
exec "$venv/bin/python" -m pytest -n 2 --dist=worksteal "${@:2}"
