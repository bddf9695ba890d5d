#!/usr/bin/env bash
# The TPU scripts' other end, executed by them on each worker as ~/on_worker.sh:
#
#   setup BUCKET MOUNT    from ~/taskrobust_jax.tar.gz to ~/taskrobust_jax, with
#                         its .venv, and the bucket mounted
#   start ID LOGS MODULE FLAGS...    a program, detached
#   poll ID               prints: ID host, and its exit code, running or lost
#   log ID                the end of its log, if it failed
#   stop                  ends what is alive; a run saves first
#   status                what is alive
#   rows WORKDIR          the last rows of a run
#   step WORKDIR          its newest checkpoint
#
# All can be given again at any time, as gcloud does by itself when a connection
# breaks, while the first may go on.
set -euo pipefail
cd ~
code=$HOME/taskrobust_jax
python=$code/.venv/bin/python
# Programs that run, by how their command line begins (behind an interpreter if
# it is a script).
alive="^([^ ]+ )?$python -m taskrobust_jax"

# Of setup and start one at a time. What is started does not inherit it.
lock() {
  exec 9>"$HOME/.taskrobust_jax.lock"
  flock 9
}

stop() {
  pgrep -f "$alive" >/dev/null || return 0
  echo "$(hostname): a program is alive and is stopped"
  pkill -TERM -f "$alive" || true
  for _ in {1..60}; do
    pgrep -f "$alive" >/dev/null || return 0
    sleep 5
  done
  echo "$(hostname): it does not end and is killed"
  pkill -KILL -f "$alive" || true
}

mount_bucket() {
  [[ $(findmnt -n -o SOURCE "$2" || true) != "$1" ]] || return 0
  if ! command -v gcsfuse >/dev/null; then
    local version=3.8.0
    curl -fsSL -o gcsfuse.deb "https://github.com/GoogleCloudPlatform/gcsfuse/\
releases/download/v$version/gcsfuse_${version}_amd64.deb"
    # A new machine still updates itself and holds apt's lock.
    sudo apt-get -qq -o DPkg::Lock::Timeout=600 update
    sudo apt-get -qq -o DPkg::Lock::Timeout=600 install -y ./gcsfuse.deb
  fi
  # Of a gcsfuse that died, or another bucket.
  sudo umount -l "$2" 2>/dev/null || true
  sudo mkdir -p "$2"
  sudo chown "$(id -u)" "$2"
  # Without the caches, which on TPU machines never expire, workers see each
  # other's files. Without streaming writes fsync puts what was written into the
  # bucket; with them only close does, and metrics.jsonl is open during a run.
  gcsfuse --implicit-dirs --metadata-cache-ttl-secs=0 \
    --metadata-cache-negative-ttl-secs=0 --enable-streaming-writes=false \
    --rename-dir-limit=100000 "$1" "$2"
}

setup() {
  lock
  stop
  mount_bucket "$1" "$2" 9>&-
  mkdir -p "$code"
  find "$code" -mindepth 1 -maxdepth 1 ! -name .venv -exec rm -rf {} +
  tar -xzf taskrobust_jax.tar.gz -C "$code"
  local found=python3
  # TPU machines come with 3.10.
  if ! python3 -c \
    'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
  then
    python3 -m pip install -q --user uv
    python3 -m uv python install -q 3.12
    found=$(python3 -m uv python find 3.12)
  fi
  PYTHON=$found EXTRA=tpu bash "$code/launch/install.sh"
  echo "$(hostname): set up"
}

start() {
  lock
  [[ ! -d jobs/$1 ]] || return 0
  stop
  mkdir -p "jobs/$1"
  setsid nohup bash "$HOME/on_worker.sh" work "$@" \
    </dev/null >/dev/null 2>&1 9>&- &
}

# What `start` leaves behind. The log is written to the disk, since a file in
# the bucket appears when it is closed, and never if the machine is taken away.
work() {
  local job=$HOME/jobs/$1 copy result=0
  copy=$2/$1-$(hostname)
  shift 2
  # At shutdown everybody is told; the program saves, and is waited for.
  trap : TERM
  touch "$job/log"
  while sleep 60; do copy_to_bucket "$job/log" "$copy.log"; done &
  cd "$code"
  PYTHONUNBUFFERED=1 "$python" -m "$@" >>"$job/log" 2>&1 || result=$?
  kill "$!"
  echo "$result" >"$job/result"
  copy_to_bucket "$job/log" "$copy.log"
  copy_to_bucket "$job/result" "$copy.code"
  # Last, since the machine may be deleted once it is known.
  mv "$job/result" "$job/code"
}

copy_to_bucket() {
  # One at a time: that of the loop in `work` outlives the loop.
  timeout 60 mkdir -p "${2%/*}" && flock "$1" timeout 60 cp "$1" "$2" || true
}

poll() {
  local state=lost
  # In this order: when it has ended, its code is there.
  if pgrep -f "$HOME/on_worker.sh work $1 " >/dev/null; then state=running; fi
  if [[ -f jobs/$1/code ]]; then state=$(<"jobs/$1/code"); fi
  echo "$1 $(hostname) $state"
}

log() {
  [[ ! -f jobs/$1/code || $(<"jobs/$1/code") != 0 ]] || return 0
  echo "--- $(hostname): the end of its log"
  tail -n 20 "jobs/$1/log" || true
}

status() {
  echo "$(hostname): $(pgrep -c -f "$alive" || true) alive"
}

rows() {
  tail -n 1 "$1/metrics.jsonl" "$1/timing.jsonl" || true
}

step() {
  local name newest=0
  for name in "$1"/checkpoints/*; do
    name=${name##*/}
    if [[ $name =~ ^[0-9]+$ ]] && ((name > newest)); then newest=$name; fi
  done
  echo "$newest"
}

"$@"
