"""Where arrays live: a mesh of (data, fsdp, tensor), and the compiled step."""

from collections.abc import Callable, Mapping, Sequence
import math
import re
from typing import Any

import jax
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from taskrobust_jax.errors import InputError

AXES = ("data", "fsdp", "tensor")
# Devices along these hold different rows.
ROW_AXES = ("data", "fsdp")
# Smaller arrays cost more to gather than to hold on every device.
MIN_SHARDED_SIZE = 2**14

# The axis of a param that `tensor` splits, by the end of its path. Counted from
# the right, so that it is the same for stacked layers and stacked decoders.
# Heads and the MLP's width are split between two products of matrices: one sum
# over devices a sublayer, forwards and backwards.
TENSOR_RULES = (
  (r"attention/(query|key|value)/(kernel|bias)", -1),
  (r"attention/out/kernel", -2),
  (r"mlp_in/(kernel|bias)", -1),
  (r"mlp_out/kernel", -2),
  # The vocabulary: of the words, and of the bias of their logits.
  (r"word/embedding", -2),
  (r"head/bias", -1),
)
# The axes of one layer's param, by its name. More are stacks, over which a
# program loops: they are not split.
NUM_OWN_AXES = {"kernel": 2, "embedding": 2, "bias": 1, "scale": 1}


def make_mesh(
  data: int = -1,
  fsdp: int = 1,
  tensor: int = 1,
  devices: Sequence[jax.Device] | None = None,
) -> Mesh:
  """A mesh with the axes data, fsdp and tensor.

  Devices of several TPU slices are laid out so that only `data` reaches over
  the slow network between them.

  Args:
    data: Devices that hold different rows and equal params; -1 for the rest.
    fsdp: Devices that hold different rows and a part of the params each; -1
      for the rest.
    tensor: Devices that hold the same rows and share out heads, MLPs and the
      vocabulary; -1 for the rest.
    devices: All devices if `None`.

  Returns:
    A mesh of all devices.

  Raises:
    InputError: Unless data * fsdp * tensor is the number of devices, and slices
      divide data.
  """
  devices = jax.devices() if devices is None else devices
  sizes = {"data": data, "fsdp": fsdp, "tensor": tensor}
  if min(sizes.values()) < -1 or 0 in sizes.values():
    raise InputError(f"mesh axes must be -1 or 1 or more, got {sizes}")
  if list(sizes.values()).count(-1) > 1:
    raise InputError(f"only one mesh axis can be -1 (the rest), got {sizes}")
  known = math.prod(size for size in sizes.values() if size != -1)
  if len(devices) % known:
    raise InputError(
      f"mesh {sizes} does not divide the {len(devices)} devices: the product "
      f"{known} must be {_nearest_divisors(known, len(devices))}"
    )
  shape = tuple(
    len(devices) // known if size == -1 else size for size in sizes.values()
  )
  if math.prod(shape) != len(devices):
    raise InputError(
      f"mesh {' x '.join(f'{k}={v}' for k, v in sizes.items())} uses "
      f"{math.prod(shape)} of the {len(devices)} devices; write -1 for the "
      "axis that takes the rest"
    )
  kinds = (AxisType.Auto,) * len(AXES)
  num_slices = len({getattr(x, "slice_index", 0) or 0 for x in devices})
  if num_slices == 1:
    return jax.make_mesh(shape, AXES, axis_types=kinds, devices=devices)
  if shape[0] % num_slices:
    raise InputError(
      f"mesh.data must be a multiple of the {num_slices} slices, got {shape[0]}"
    )
  placed = mesh_utils.create_hybrid_device_mesh(
    (shape[0] // num_slices, *shape[1:]),
    (num_slices, *[1] * (len(AXES) - 1)),
    devices,
    allow_split_physical_axes=True,
  )
  return Mesh(placed, AXES, axis_types=kinds)


def _nearest_divisors(wanted: int, whole: int) -> str:
  """The divisors of `whole` around a number that is none."""
  divisors = [n for n in range(1, whole + 1) if whole % n == 0]
  below = [n for n in divisors if n < wanted][-1:]
  above = [n for n in divisors if n > wanted][:1]
  return " or ".join(map(str, below + above))


def num_row_shards(mesh: Mesh) -> int:
  """How many parts the rows of a batch are split into."""
  return math.prod(mesh.shape[axis] for axis in ROW_AXES)


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """Rows over data and fsdp."""
  return NamedSharding(mesh, PartitionSpec(ROW_AXES))


def replicated(mesh: Mesh) -> NamedSharding:
  """The same on every device."""
  return NamedSharding(mesh, PartitionSpec())


def state_sharding(mesh: Mesh, state: Any) -> Any:
  """A sharding for every array of a state.

  `tensor` splits what `TENSOR_RULES` name, where it divides the axis. `fsdp`
  splits the longest of the other axes that it divides, of large arrays. The
  rules read the end of an array's path and its shape, so that Adam's moments
  and averages lie where their params do.

  Args:
    mesh: From `make_mesh`.
    state: Tree of arrays or `jax.ShapeDtypeStruct`.

  Returns:
    The same tree, of `NamedSharding`.
  """
  num_parts, num_tensor = mesh.shape["fsdp"], mesh.shape["tensor"]

  def rule(path, leaf):
    names = [str(key.key) for key in path if hasattr(key, "key")]
    spec = [None] * len(leaf.shape)
    axis = _tensor_axis("/".join(names))
    if axis is not None and num_tensor > 1 and -axis <= len(spec):
      if leaf.shape[axis] % num_tensor == 0:
        spec[axis] = "tensor"
    own = NUM_OWN_AXES.get(names[-1] if names else "", len(spec))
    fitting = [
      i
      for i, size in enumerate(leaf.shape)
      if i >= len(spec) - own and spec[i] is None and size % num_parts == 0
    ]
    if num_parts > 1 and fitting and math.prod(leaf.shape) >= MIN_SHARDED_SIZE:
      spec[max(fitting, key=lambda i: leaf.shape[i])] = "fsdp"
    return NamedSharding(mesh, PartitionSpec(*spec))

  return jax.tree.map_with_path(rule, state)


def _tensor_axis(path: str) -> int | None:
  """The axis that `tensor` splits, counted from the right."""
  for pattern, axis in TENSOR_RULES:
    if re.search(f"(^|/){pattern}$", path):
      return axis
  return None


def check_tensor(sections: Mapping[str, Any], mesh: Mesh) -> None:
  """Raises InputError unless tensor divides the heads and widths of MLPs.

  Args:
    sections: Name -> a transformer's section of the config.
    mesh: From `make_mesh`.
  """
  tensor = mesh.shape["tensor"]
  parts = {
    f"{name}.{key}": section[key]
    for name, section in sections.items()
    for key in ("num_heads", "mlp_width")
  }
  if not any(value % tensor for value in parts.values()):
    return
  divisor = math.gcd(mesh.size, *parts.values())
  legal = [str(n) for n in range(1, divisor + 1) if divisor % n == 0]
  raise InputError(
    f"mesh.tensor must divide "
    f"{', '.join(f'{k} = {v}' for k, v in parts.items())}, got {tensor}; "
    f"legal on {mesh.size} devices: {', '.join(legal)}"
  )


def batch_unit(batch_multiple: int, mesh: Mesh, accumulation: int = 1) -> int:
  """What a batch size must be a multiple of; see `check_batch_size`."""
  return batch_multiple * num_row_shards(mesh) * accumulation


def check_batch_size(
  name: str,
  batch_size: int,
  batch_multiple: int,
  mesh: Mesh,
  accumulation: int = 1,
) -> None:
  """Raises InputError unless tasks, devices and microbatches divide the batch.

  Args:
    name: Of the value, for the message.
    batch_size: It.
    batch_multiple: What it must be a multiple of, on one device: of rows that
      tasks are served in turn, their number.
    mesh: From `make_mesh`.
    accumulation: Microbatches.
  """
  unit = batch_unit(batch_multiple, mesh, accumulation)
  if batch_size >= unit and batch_size % unit == 0:
    return
  below = batch_size // unit * unit
  nearest = f"{below} or {below + unit}" if below > 0 else f"{unit}"
  data, fsdp = (mesh.shape[axis] for axis in ROW_AXES)
  parts = [f"data {data}", f"fsdp {fsdp}"]
  if batch_multiple > 1:
    parts.insert(0, f"{batch_multiple} tasks")
  if accumulation > 1:
    parts.append(f"{accumulation} microbatches")
  raise InputError(
    f"{name} must be a multiple of {' x '.join(parts)} = {unit}, got "
    f"{batch_size}; the nearest is {nearest}"
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
