"""Where arrays live: a mesh of (data, fsdp), and the compiled train step."""

from collections.abc import Callable, Sequence
import math
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from taskrobust_jax.errors import InputError

AXES = ("data", "fsdp")
# Smaller arrays cost more to gather than to hold on every device.
MIN_SHARDED_SIZE = 2**14


def make_mesh(
  data: int = -1, fsdp: int = 1, devices: Sequence[jax.Device] | None = None
) -> Mesh:
  """A mesh with the axes data and fsdp.

  Args:
    data: Devices that hold different rows and equal params; -1 for the rest.
    fsdp: Devices that hold different rows and a part of the params each; -1
      for the rest.
    devices: All devices if `None`.

  Returns:
    A mesh of all devices.

  Raises:
    InputError: Unless data * fsdp is the number of devices.
  """
  devices = jax.devices() if devices is None else devices
  sizes = {"data": data, "fsdp": fsdp}
  if min(sizes.values()) < -1 or 0 in sizes.values():
    raise InputError(f"mesh axes must be -1 or 1 or more, got {sizes}")
  if list(sizes.values()).count(-1) > 1:
    raise InputError(f"only one mesh axis can be -1 (the rest), got {sizes}")
  known = math.prod(size for size in sizes.values() if size != -1)
  if len(devices) % known:
    raise InputError(f"mesh {sizes} does not divide the {len(devices)} devices")
  shape = tuple(
    len(devices) // known if size == -1 else size for size in sizes.values()
  )
  if math.prod(shape) != len(devices):
    raise InputError(
      f"mesh data={data} x fsdp={fsdp} uses {math.prod(shape)} of the "
      f"{len(devices)} devices; write -1 for the axis that takes the rest"
    )
  return jax.make_mesh(
    shape, AXES, axis_types=(AxisType.Auto,) * len(AXES), devices=devices
  )


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """Rows over all devices."""
  return NamedSharding(mesh, PartitionSpec(AXES))


def replicated(mesh: Mesh) -> NamedSharding:
  """The same on every device."""
  return NamedSharding(mesh, PartitionSpec())


def state_sharding(mesh: Mesh, state: Any) -> Any:
  """A sharding for every array of a state.

  The longest axis that fsdp divides is split over it. The rule reads shapes
  alone, so that Adam's moments lie where their params do.

  Args:
    mesh: From `make_mesh`.
    state: Tree of arrays or `jax.ShapeDtypeStruct`.

  Returns:
    The same tree, of `NamedSharding`.
  """
  num_parts = mesh.shape["fsdp"]

  def rule(leaf):
    spec = [None] * len(leaf.shape)
    fitting = [i for i, size in enumerate(leaf.shape) if size % num_parts == 0]
    if num_parts > 1 and fitting and math.prod(leaf.shape) >= MIN_SHARDED_SIZE:
      spec[max(fitting, key=lambda i: leaf.shape[i])] = "fsdp"
    return NamedSharding(mesh, PartitionSpec(*spec))

  return jax.tree.map(rule, state)


def check_batch_size(
  name: str, batch_size: int, num_tasks: int, mesh: Mesh
) -> None:
  """Raises InputError unless tasks and devices divide the batch."""
  num_devices = mesh.size
  unit = num_tasks * num_devices
  if batch_size >= unit and batch_size % unit == 0:
    return
  below = batch_size // unit * unit
  nearest = f"{below} or {below + unit}" if below > 0 else f"{unit}"
  raise InputError(
    f"{name} must be a multiple of {num_tasks} tasks x {num_devices} devices = "
    f"{unit}, got {batch_size}; the nearest is {nearest}"
  )


def pjit_train_step(
  train_step: Callable[..., tuple[Any, Any]],
  mesh: Mesh,
  state: Any,
  num_batches: int = 1,
) -> Callable[..., tuple[Any, Any]]:
  """Compiles a train step for a mesh.

  What the literature calls pjit is `jax.jit` with shardings today
  (`jax.experimental.pjit` is an alias that warns). The state's buffers are
  donated: the state that was passed in cannot be used again.

  Args:
    train_step: `(state, *batches) -> (state, metrics)`.
    mesh: From `make_mesh`.
    state: Tree of arrays or shapes, as `train_step` takes it.
    num_batches: How many trees of rows it takes.

  Returns:
    The compiled function. Metrics come back replicated.
  """
  shardings = state_sharding(mesh, state)
  return jax.jit(
    train_step,
    in_shardings=(shardings, *[batch_sharding(mesh)] * num_batches),
    out_shardings=(shardings, replicated(mesh)),
    donate_argnums=0,
  )
