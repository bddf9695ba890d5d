#!/usr/bin/env bash
# Asks for the TPU of launch/env.sh as a queued resource and waits until it is
# active, for days if there is none to be had. One that is active is left as it
# is; one that failed or was taken away is deleted and asked for anew.
#
#   bash launch/create_tpu.sh [--dry-run]
#
# Exit code 2: refused (quota, permission, a wrong name). 75: not now; call it
# again.
set -euo pipefail
# shellcheck source=launch/tpu_common.sh
source "$(dirname "${BASH_SOURCE[0]}")/tpu_common.sh"

options=(--node-id="$TPU_NAME")
((NUM_SLICES == 1)) ||
  options=(--node-count="$NUM_SLICES" --node-prefix="$TPU_NAME")
case $PROVISIONING in
  spot) options+=(--spot) ;;
  on-demand) ;;
  reserved) options+=(--reserved) ;;
  *) fail "PROVISIONING=$PROVISIONING is none of spot, on-demand, reserved" ;;
esac

assumed=NONE
began=$(now)
before=
created=
refusals=0
while true; do
  state=$(state_of_tpu) || state=UNKNOWN
  [[ $state == "$before" ]] || say "$TPU_NAME: $state"
  before=$state
  case $state in
    ACTIVE) exit ;;
    NONE)
      # gcloud's code is 1 whatever went wrong. Google does answer, so it is
      # neither the network nor, the third time, a passing trouble.
      ((refusals < 3)) || fail "Google refuses to create $TPU_NAME:" \
        "quota for $ACCELERATOR_TYPE ($PROVISIONING) in $ZONE, a permission," \
        "or a wrong name in $settings; see above"
      if run gcloud compute tpus queued-resources create "$TPU_NAME" \
        "${options[@]}" --accelerator-type="$ACCELERATOR_TYPE" \
        --runtime-version="$RUNTIME_VERSION" "${at[@]}"; then
        created=yes
        assumed=ACTIVE
        continue
      fi
      refusals=$((refusals + 1))
      ;;
    FAILED | SUSPENDED | LOST)
      say "$TPU_NAME is deleted, since it is $state" "$(
        gcloud compute tpus queued-resources describe "$TPU_NAME" \
          --format='value(state.failedData.error.message)' "${at[@]}" || true
      )"
      run gcloud compute tpus queued-resources delete "$TPU_NAME" --force \
        "${at[@]}" || true
      # The caller decides how soon the next one is asked for.
      [[ $state != FAILED || -z $created ]] || exit 75
      ;;
    UNKNOWN) refusals=0 ;;
  esac
  if (($(now) - began > MAX_WAIT)); then
    say "$TPU_NAME is still $state after $MAX_WAIT s and is left there"
    exit 75
  fi
  pause "$POLL"
done
