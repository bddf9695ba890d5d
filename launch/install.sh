#!/usr/bin/env bash
# Makes .venv with the tested set of packages and this package, once: a second
# call returns at once unless requirements.txt, pyproject.toml, EXTRA, Python or
# the checkout's place has changed.
#
#   bash launch/install.sh              # PYTHON=python3.12 picks another one
#   EXTRA=tpu bash launch/install.sh    # with jax[tpu]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The venv's own interpreter is called by its path everywhere, nothing is
# activated, so a checkout that was moved only installs itself anew.
venv_python=.venv/bin/python
stamp=.venv/installed

is_usable() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

fingerprint() {
  {
    pwd
    "$venv_python" --version
    cat requirements.txt pyproject.toml
    printf %s "${EXTRA:-}"
  } | cksum
}

if [[ -f $stamp ]] && is_usable "$venv_python" &&
  [[ $(cat "$stamp") == "$(fingerprint)" ]]; then
  exit 0
fi

if ! is_usable "$venv_python"; then
  python=
  tried=
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if is_usable "$candidate"; then
      python=$candidate
      break
    fi
    tried+=" $candidate ($("$candidate" --version 2>/dev/null || echo none)),"
  done
  if [[ -z $python ]]; then
    echo "error: Python >= 3.11 is needed; tried:${tried%,}. On Debian or" \
      "Ubuntu: apt-get install python3 python3-venv. Another interpreter:" \
      "PYTHON=/path/to/python3.12 bash launch/install.sh" >&2
    exit 2
  fi
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "error: $python has no venv module. On Debian or Ubuntu:" \
      "apt-get install python3-venv" >&2
    exit 2
  fi
  echo "making .venv with $("$python" --version)"
  "$python" -m venv --clear .venv
fi

pip() {
  "$venv_python" -m pip --disable-pip-version-check "$@"
}

rm -f "$stamp"
began=$SECONDS
echo "installing requirements.txt into .venv (about 1.1 GB, a minute or two)"
# The extra's own packages are those of the JAX that is pinned there.
pip install -qq -r requirements.txt ${EXTRA:+"jax[$EXTRA]"}
# Without isolation the build uses the setuptools above: no other download.
pip install -qq --no-deps --no-build-isolation -e .
pip check
fingerprint >"$stamp"
echo "installed in $((SECONDS - began)) s"
