# shellcheck shell=bash
# Sourced from the project's root by scripts that train on this machine: installs,
# and defines `run`. `out` is set: compiled programs are kept in its cache folder,
# however fast they compiled.
bash launch/install.sh
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$(realpath -m "$out")/cache}
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
# Large pages: without them much of a step is spent on mapping fresh memory.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}

# Prints a command of Python's and runs it.
run() {
  printf '\n$ python'
  printf ' %s' "$@"
  printf '\n'
  .venv/bin/python "$@"
}
