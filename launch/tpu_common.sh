# shellcheck shell=bash
# Sourced by the TPU scripts with their arguments: reads the settings, gives
# commands to gcloud and to the workers, follows what runs there. Exit codes are
# those of the programs: 0 done, 1 fault, 2 bad input, 75 the TPU is gone (start
# again), 130 interrupted.

# 3 is standard output, also where that of a function is caught.
exec 3>&1
# What is waited for runs in the background, so that a signal is heard at once.
trap 'exit 130' INT TERM
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

fail() {
  echo "error: $*" >&2
  exit 2
}

now() {
  date -u +%s
}

say() {
  echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $*" >&3
}

pause() {
  sleep "$1" &
  wait "$!"
}

# Words such that a shell reads them back.
quoted() {
  local word between=
  for word; do
    printf '%s' "$between"
    case $word in
      '' | *[!A-Za-z0-9_./:=@%,+-]*)
        # shellcheck disable=SC2001 # Its own replacing differs by version.
        printf "'%s'" "$(sed "s/'/'\\\\''/g" <<<"$word")"
        ;;
      *) printf '%s' "$word" ;;
    esac
    between=' '
  done
}

show() {
  printf '%s\n' "$(quoted "$@")" >&3
}

# Prints a command and executes it, unless this is a dry run.
run() {
  show "$@"
  [[ -n $dry_run ]] || "$@"
}

# The same for what only looks: it is printed in a dry run alone.
ask() {
  if [[ -n $dry_run ]]; then show "$@"; else "$@"; fi
}

dry_run=
for argument; do
  case $argument in
    --dry-run) dry_run=--dry-run ;;
    --help)
      awk 'NR > 1 { if (!sub(/^# ?/, "")) exit; print }' "$0"
      exit
      ;;
    *) fail "$argument: only --dry-run and --help are known" ;;
  esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
settings=${ENV_FILE:-launch/env.sh}
[[ -f $settings ]] || fail "$settings is missing:" \
  "cp launch/env.example.sh launch/env.sh, and edit it"
# shellcheck source=launch/env.example.sh
source "$settings"

for name in PROJECT ZONE TPU_NAME ACCELERATOR_TYPE RUNTIME_VERSION NUM_SLICES \
  PROVISIONING BUCKET MOUNT RUN_NAME CONFIG DATA_DIR WORKDIR POLL MAX_WAIT \
  BACKOFF_FIRST BACKOFF_CAP LONG_RUN RETRIES; do
  value=${!name:-}
  [[ -n $value ]] || fail "$settings does not set $name"
  case $name in
    BUCKET | MOUNT | DATA_DIR | WORKDIR)
      [[ $value != gs://* ]] || fail "$name=$value: programs read files, not" \
        "gs:// addresses. BUCKET is a name, MOUNT the folder where it is" \
        "mounted (/mnt/bucket), DATA_DIR and WORKDIR are folders under it"
      ;;
    NUM_SLICES | POLL | MAX_WAIT | BACKOFF_FIRST | BACKOFF_CAP | LONG_RUN | \
      RETRIES)
      [[ $value =~ ^[0-9]+$ ]] || fail "$name=$value is not a number"
      ;;
    TPU_NAME)
      [[ $value =~ ^[a-z][a-z0-9-]*$ ]] ||
        fail "$name=$value: small letters, digits and - make a name"
      ;;
    RUN_NAME)
      [[ $value =~ ^[A-Za-z0-9._-]+$ ]] ||
        fail "$name=$value: letters, digits, '.', '_' and '-' make a name"
      ;;
  esac
done
for name in DATA_DIR WORKDIR; do
  [[ ${!name} == "$MOUNT"/* ]] ||
    fail "$name=${!name} must lie under MOUNT=$MOUNT, which all workers see"
done
logs=$MOUNT/logs/$RUN_NAME
[[ $WORKDIR/ != "$logs"/* && $logs/ != "$WORKDIR"/* ]] ||
  fail "WORKDIR=$WORKDIR and the logs in $logs must not lie in each other"
((NUM_SLICES > 0)) || fail "NUM_SLICES=$NUM_SLICES must be at least 1"
[[ -n $dry_run ]] || command -v gcloud >/dev/null ||
  fail "gcloud is needed: https://cloud.google.com/sdk/docs/install"

at=("--project=$PROJECT" "--zone=$ZONE" --quiet)
nodes=$TPU_NAME
their_names="/$TPU_NAME\$"
if ((NUM_SLICES > 1)); then
  nodes=
  for ((i = 0; i < NUM_SLICES; i++)); do nodes+=" $TPU_NAME-$i"; done
  their_names="/$TPU_NAME-[0-9]+\$"
fi

# What a dry run takes for the state.
assumed=ACTIVE

# The state of the queued resource, NONE without one; LOST if it says ACTIVE and
# a node is not there any more. `list`, since it tells "none" (no line) from "no
# answer" (it fails), which `describe` does not.
state_of_tpu() {
  local state found
  state=$(ask gcloud compute tpus queued-resources list \
    --filter="name~/$TPU_NAME\$" --format='value(state.state)' "${at[@]}") ||
    return
  state=${dry_run:+$assumed}${state:-}
  if [[ $state == ACTIVE ]]; then
    found=$(ask gcloud compute tpus tpu-vm list --filter="name~$their_names" \
      --format='value(state)' "${at[@]}") || return
    # All other states are of nodes that gcloud refuses to connect to.
    found=$(grep -cEx 'READY|CREATING|STARTING|RESTARTING|REPAIRING' \
      <<<"$found") || true
    [[ -n $dry_run ]] || ((found == NUM_SLICES)) || state=LOST
  fi
  echo "${state:-NONE}"
}

# After a failure: returns 75 if the TPU is gone, the code given otherwise.
unless_gone() {
  local state
  until state=$(state_of_tpu); do
    say "Google does not answer"
    pause "$POLL"
  done
  [[ $state != ACTIVE ]] || return "$1"
  say "$TPU_NAME is $state"
  return 75
}

# on_workers run|ask all|first COMMAND: gives a command to all workers of all
# nodes at once, or to the first one. It is 0 only if every worker answered and
# the command was 0 on each: `queued-resources ssh`, which would need no loop,
# leaves out nodes that are gone and is 0.
on_workers() {
  local node command code=0 pids='' worker=all among=$nodes
  if [[ $2 == first ]]; then
    worker=0
    among=${nodes# }
    among=${among%% *}
  fi
  for node in $among; do
    # A connection to a machine that was taken away would hang for hours.
    command=(gcloud compute tpus tpu-vm ssh "$node" "--worker=$worker"
      --ssh-flag=-oServerAliveInterval=30 --ssh-flag=-oConnectTimeout=20
      "--command=$3" "${at[@]}")
    [[ $1 == ask && -z $dry_run ]] || show "${command[@]}"
    if [[ -z $dry_run ]]; then
      "${command[@]}" &
      pids+=" $!"
    fi
  done
  for node in $pids; do wait "$node" || code=$?; done
  return "$code"
}

# The code of a run from those of its workers.
code_of_run() {
  local code result=0
  for code; do
    case $result,$code in
      *,2 | 2,*) result=2 ;;
      *,0 | 1,*) ;;
      *,75 | *,130) ((result == 130)) || result=$code ;;
      *) result=1 ;;
    esac
  done
  return "$result"
}

# job all|first MODULE FLAGS...: runs a program on workers and returns its code.
# It is detached from the connection, and keeps its log and exit code on the
# worker's disk, copied to the bucket; this end only looks, and may lose sight.
job() {
  local workers=$1 id code failures=0 end='' answer codes
  shift
  id=$RUN_NAME-$(date -u +%Y%m%dT%H%M%SZ)
  say "$1: logs in $logs/$id-HOST.log"
  on_workers run "$workers" \
    "bash on_worker.sh start $(quoted "$id" "$logs" "$@")" || {
    code=$?
    ((code != 127)) || fail "the workers are not set up: launch/setup_tpu.sh"
    say "not all workers answer"
  }
  while true; do
    if answer=$(on_workers ask "$workers" "bash on_worker.sh poll $id") &&
      [[ -n $dry_run || $answer == *"$id"* ]]; then
      failures=0
      codes=$(awk -v id="$id" '$1 == id { printf "%s ", $3 }' <<<"$answer")
      [[ $codes == *running* ]] || break
      if [[ $codes != *[0-9]* && $codes != *lost* ]]; then
        end=
      elif [[ -z $end ]]; then
        end=$(now)
        say "some workers have ended, some run: $codes"
      elif (($(now) - end > 600)); then
        say "they still run: they are stopped"
        on_workers run "$workers" "bash on_worker.sh stop" || true
      fi
    else
      # Not counted while Google does not answer: it is this end's network.
      if unless_gone 0; then failures=$((failures + 1)); else return 75; fi
      say "not all workers answer, time $failures"
      ((failures < 10)) || return 75
    fi
    pause "$POLL"
  done
  # shellcheck disable=SC2086 # One word a worker.
  code_of_run $codes && return
  code=$?
  say "exit codes of the workers: $codes"
  ((code == 2)) || unless_gone "$code" || code=$?
  ((code == 75)) ||
    on_workers ask "$workers" "bash on_worker.sh log $id" || true
  return "$code"
}
