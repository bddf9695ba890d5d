#!/usr/bin/env bash
# Makes .venv with the tested set of packages and this package, once: a second
# call returns at once unless requirements.txt, pyproject.toml, EXTRA, Python or
# the checkout's place has changed.
#
#   bash launch/install.sh              # PYTHON=python3.12 picks another one
#   EXTRA=tpu bash launch/install.sh    # or gpu, data: extras of pyproject.toml
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The venv's own interpreter is called by its path everywhere, nothing is
# activated, so a checkout that was moved only installs itself anew.
venv_python=.venv/bin/python
stamp=.venv/installed

if [[ -n ${EXTRA:-} ]] && ! grep -q "^$EXTRA = \[" pyproject.toml; then
  echo "error: EXTRA=$EXTRA is none of pyproject.toml's optional dependencies" >&2
  exit 2
fi

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
pip install -qq -r requirements.txt
# Without isolation the build uses the setuptools above: no other download. What
# an extra brings fits the JAX that is pinned there.
pip install -qq --no-build-isolation -c requirements.txt -e ".${EXTRA:+[$EXTRA]}"
pip check
fingerprint >"$stamp"
echo "installed in $((SECONDS - began)) s"
