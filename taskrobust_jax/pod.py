"""A pod: processes, one a host, that train one model together.

`jax.distributed` connects them. Alone it aborts without a name when one never
comes, and takes long to notice that one has died. So the processes first meet
at process 0 over TCP and agree that they are about to do the same; they keep
these connections, and when one closes, all know at once who is gone.
"""

from collections.abc import Callable, Iterator
import contextlib
import hashlib
import os
import pathlib
import re
import sys
import time
from typing import Any, NamedTuple

import jax

# Where a Cloud TPU, Slurm or Kubernetes job stands has no public name.
from jax._src.clusters import ClusterEnv
from jax.experimental import multihost_utils
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec
import numpy as np

from taskrobust_jax import errors, program
from taskrobust_jax.errors import InputError
from taskrobust_jax.peers import GRACE, Peers
from taskrobust_jax.train.folder import versions

# Seconds until a process that has not come is named.
TIMEOUT = 300


class Place(NamedTuple):
  """Where a process stands in its pod.

  Attributes:
    process_id: i, from 0.
    num_processes: n.
    host: Of process 0.
    port: JAX listens there; the meeting is one port below.
    local_device_ids: Devices of this process; all if `None`.
  """

  process_id: int
  num_processes: int
  host: str
  port: int
  local_device_ids: tuple[int, ...] | None = None


def find_place(text: str, timeout: int = TIMEOUT) -> Place | None:
  """Reads the flag `--pod`.

  Args:
    text: "" for a process on its own, "auto" for what JAX detects (Cloud TPU,
      Slurm, Kubernetes), or "i/n@host:port".
    timeout: Seconds that detection may take.

  Returns:
    The place, or `None` for a process on its own.

  Raises:
    InputError: If the text has another form, or nothing is detected.
  """
  if not text:
    return None
  device_ids = None
  if text == "auto":
    address, num_processes, process_id, device_ids = (
      ClusterEnv.auto_detect_unset_distributed_params(
        None, None, None, None, None, timeout
      )
    )
    if None in (address, num_processes, process_id):
      raise InputError(
        "--pod=auto: this is no Cloud TPU, Slurm or Kubernetes job that JAX "
        "detects; write --pod=i/n@host:port with the host of process 0"
      )
    text = f"{process_id}/{num_processes}@{address}"
  match = re.fullmatch(r"(\d+)/(\d+)@(.+):(\d{1,5})", text)
  # They meet at the port before it, which is one.
  if not (
    match and int(match[1]) < int(match[2]) and 2 <= int(match[4]) < 2**16
  ):
    raise InputError(
      "--pod must be auto or i/n@host:port with 0 <= i < n and a port of 2 to "
      f"65535, got {text!r}"
    )
  if int(match[2]) == 1:
    return None
  return Place(
    int(match[1]),
    int(match[2]),
    match[3],
    int(match[4]),
    None if device_ids is None else tuple(device_ids),
  )


@contextlib.contextmanager
def joined(
  place: Place | None, timeout: int = TIMEOUT
) -> Iterator[Callable[[dict[str, Any]], None]]:
  """Makes this process a member of its pod while the block runs.

  The block is given `agree(claims)`, to be called once, before any device is
  used: it waits for the others and raises InputError in all of them unless the
  claims (JSON values) are equal everywhere.

  The members are to leave the block together. When one raises or dies, the
  others say who it was and exit at once, with its code (1 if it died): they
  would wait for it in a collective for ever.

  Args:
    place: From `find_place`. With `None` nothing is agreed on.
    timeout: Seconds that the others may take to come.

  Yields:
    `agree`. It also raises OSError if a process has not come in time, or the
    port is taken.
  """
  if place is None:
    yield lambda claims: _print_banner()
    return
  peers = Peers(
    place.process_id, place.num_processes, (place.host, place.port - 1)
  )
  has_met = False

  def agree(claims):
    nonlocal has_met
    has_met = True
    peers.meet({**claims, "code": code_version()}, timeout)
    peers.watch()
    jax.distributed.initialize(
      f"{place.host}:{place.port}",
      place.num_processes,
      place.process_id,
      place.local_device_ids,
      initialization_timeout=timeout,
    )
    _print_banner()
    _connect_devices()

  try:
    yield agree
  except BaseException as error:
    if has_met and not isinstance(error, InputError | KeyboardInterrupt):
      time.sleep(GRACE)  # Is a dead peer the cause? Then that is what is said.
    code = program.explain(error)
    text = program.one_line(error)
    if has_met:
      peers.leave(code, f"stopped: {text}")
    else:
      with contextlib.suppress(InputError, OSError):
        peers.meet({}, timeout, problem=text, code=code)
    os._exit(code)  # Whatever is left to do would wait for the others.
  peers.leave(errors.DONE)
  jax.distributed.shutdown()


def _connect_devices() -> None:
  """Uses the connections between all devices once.

  The CPU's waits half a minute for all others when it is first used. Now they
  are there; later one process may compile for longer than another.
  """
  multihost_utils.sync_global_devices("pod")  # One device a process.
  devices = jax.devices()
  mesh = jax.make_mesh(
    (len(devices),), ("all",), axis_types=(AxisType.Auto,), devices=devices
  )
  ones = jax.make_array_from_callback(
    (len(devices),),
    NamedSharding(mesh, PartitionSpec("all")),
    lambda index: np.ones(len(devices), np.float32)[index],
  )
  jax.block_until_ready(jax.jit(jnp.sum)(ones))


def code_version() -> dict[str, str]:
  """What the results of a run depend on besides its config and data."""
  package = pathlib.Path(__file__).parent
  digest = hashlib.sha256()
  for file in sorted(package.rglob("*.py")):
    digest.update(f"{file.relative_to(package)}\0".encode())
    digest.update(file.read_bytes())
  return {package.name: digest.hexdigest()[:16], **versions()}


def _print_banner() -> None:
  print(
    f"process {jax.process_index()} of {jax.process_count()}, "
    f"{jax.local_device_count()} local devices",
    flush=True,
  )
  if jax.process_index() > 0:  # From here on all would say the same.
    sys.stdout = open(os.devnull, "w", encoding="utf-8")
