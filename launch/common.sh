# shellcheck shell=bash
# Sourced from the project's root by scripts that train on this machine: installs,
# and defines `run`. `out` is set: compiled programs are kept in its cache folder,
# however fast they compiled.
bash launch/install.sh
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$(realpath -m "$out")/cache}
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
# Large pages, and freed memory is kept for the next step: else much of a step is
# spent on mapping fresh memory.
keep=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=100000000000
keep+=:glibc.malloc.arena_max=1
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1:$keep}

# Prints a command of Python's and runs it.
run() {
  printf '\n$ python'
  printf ' %s' "$@"
  printf '\n'
  .venv/bin/python "$@"
}
