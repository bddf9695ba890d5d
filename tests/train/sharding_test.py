"""Meshes, legal batch sizes, and where a state lies."""

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.train import build, sharding
from taskrobust_jax.train.sharding import (
  check_batch_size,
  make_mesh,
  state_sharding,
)
from tests.train import toy


@pytest.mark.parametrize(
  ("sizes", "expected"),
  [
    ((-1, 1, 1), (8, 1, 1)),
    ((2, -1, 1), (2, 4, 1)),
    ((-1, 4, 1), (2, 4, 1)),
    ((1, 8, 1), (1, 8, 1)),
    ((2, 2, -1), (2, 2, 2)),
    ((-1, 1, 2), (4, 1, 2)),
  ],
)
def test_minus_one_takes_the_rest(sizes, expected):
  mesh = make_mesh(*sizes)
  assert tuple(mesh.shape.values()) == expected
  assert mesh.axis_names == ("data", "fsdp", "tensor")


@pytest.mark.parametrize(
  ("sizes", "message"),
  [
    ((0, 1, 1), "-1 or 1 or more, got {'data': 0, 'fsdp': 1, 'tensor': 1}"),
    ((1, -2, 1), "-1 or 1 or more, got {'data': 1, 'fsdp': -2, 'tensor': 1}"),
    ((-1, -1, 1), "only one mesh axis can be -1"),
    ((-1, 3, 1), "does not divide the 8 devices: the product 3 must be 2 or 4"),
    ((-1, 1, 3), "'tensor': 3} does not divide the 8 devices"),
    ((16, 1, 1), "does not divide the 8 devices: the product 16 must be 8"),
    ((2, 2, 1), "data=2 x fsdp=2 x tensor=1 uses 4 of the 8 devices; write -1"),
  ],
)
def test_a_mesh_that_does_not_fit_says_the_numbers(sizes, message):
  with pytest.raises(InputError) as caught:
    make_mesh(*sizes)
  assert message in str(caught.value)


class Chip:
  """One of a TPU's, four to a slice."""

  platform, device_kind, process_index = "tpu", "TPU v5 lite", 0
  client, core_on_chip = None, 0

  def __init__(self, number):
    self.id, self.slice_index = number, number // 4
    self.coords = (number % 2, number // 2 % 2, 0)


def test_only_data_reaches_from_slice_to_slice():
  chips = [Chip(number) for number in range(8)]
  for sizes in ((2, 4, 1), (-1, 1, 2), (-1, 2, 2)):
    mesh = make_mesh(*sizes, devices=chips)
    assert mesh.devices.size == 8
    for within in mesh.devices:
      assert len({x.slice_index for x in within.flat}) == 1
  with pytest.raises(InputError, match="multiple of the 2 slices, got 1"):
    make_mesh(1, 8, 1, devices=chips)


@pytest.mark.parametrize(
  ("size", "nearest"),
  [(1, "24"), (23, "24"), (25, "24 or 48"), (47, "24 or 48"), (50, "48 or 72")],
)
def test_a_batch_size_that_does_not_fit_says_the_nearest(size, nearest):
  with pytest.raises(InputError) as caught:
    check_batch_size("batch_size", size, 3, make_mesh())
  assert str(caught.value) == (
    "batch_size must be a multiple of 3 tasks x data 8 x fsdp 1 = 24, got "
    f"{size}; the nearest is {nearest}"
  )


def test_rows_that_serve_all_tasks_are_told_of_no_tasks():
  with pytest.raises(InputError, match="multiple of data 8 x fsdp 1 = 8"):
    check_batch_size("batch_size", 9, 1, make_mesh())


def test_multiples_of_the_unit_are_legal():
  for size in (24, 48, 240):
    check_batch_size("batch_size", size, 3, make_mesh(2, 4))
  # Devices along tensor hold the same rows.
  check_batch_size("batch_size", 12, 3, make_mesh(2, 2, 2))
  with pytest.raises(InputError, match="2 microbatches = 24, got 12"):
    check_batch_size("batch_size", 12, 3, make_mesh(2, 2, 2), 2)


def test_the_longest_axis_that_fits_is_split_if_the_array_is_large():
  shapes = {
    "wide": jax.ShapeDtypeStruct((128, 512), jnp.float32),
    "odd": jax.ShapeDtypeStruct((513, 128), jnp.float32),
    "none": jax.ShapeDtypeStruct((513, 127), jnp.float32),
    "small": jax.ShapeDtypeStruct((64, 64), jnp.float32),
    "scalar": jax.ShapeDtypeStruct((), jnp.int32),
  }
  specs = {
    name: found.spec
    for name, found in state_sharding(make_mesh(2, 4), shapes).items()
  }
  assert specs == {
    "wide": PartitionSpec(None, "fsdp"),
    "odd": PartitionSpec(None, "fsdp"),
    "none": PartitionSpec(None, None),
    "small": PartitionSpec(None, None),
    "scalar": PartitionSpec(),
  }
  for found in state_sharding(make_mesh(8, 1), shapes).values():
    assert found.is_fully_replicated


def test_tensor_splits_what_stands_between_two_products():
  config = toy.config(
    mesh__data=1, mesh__fsdp=4, mesh__tensor=2, model__num_layers=64
  )
  config.model.mlp_width = 16
  params = build.build(config, toy.Dataset()).state_sharding.params
  layers = params["transformer"]["layers"]

  def spec(part, name):
    return tuple(part[name].spec)

  # The layers are the longest axis, but a program loops over it.
  for name in ("query", "key", "value"):
    part = layers["attention"][name]
    assert spec(part, "kernel") == (None, "fsdp", "tensor")
    assert spec(part, "bias") == (None, "tensor")
  assert spec(layers["attention"]["out"], "kernel") == (None, "tensor", "fsdp")
  assert spec(layers["attention"]["out"], "bias") == (None, None)
  assert spec(layers["mlp_in"], "kernel") == (None, "fsdp", "tensor")
  assert spec(layers["mlp_in"], "bias") == (None, "tensor")
  assert spec(layers["mlp_out"], "kernel") == (None, "tensor", "fsdp")
  # 960 numbers are few.
  assert spec(params["word"], "embedding") == ("tensor", None)
  assert spec(params["head"], "bias") == ("tensor",)
  assert spec(params["head"]["transform"], "kernel") == (None, None)


def run(experiment, num_steps):
  state = experiment.init_state()
  for step in range(num_steps):
    state, metrics = experiment.train_step(state, experiment.load_batch(step))
  return state, jax.device_get(metrics)


def test_a_split_state_trains_as_a_whole_one(monkeypatch):
  # The small arrays of the toy would not be split.
  monkeypatch.setattr(sharding, "MIN_SHARDED_SIZE", 1)
  split = toy.small_experiment(mesh__data=2, mesh__fsdp=4)
  state, metrics = run(split, 5)
  kernel = state.params["hidden"]["kernel"]
  assert kernel.sharding.spec == PartitionSpec("fsdp", None)
  assert kernel.addressable_shards[0].data.shape == (4, 4)
  moments = [
    leaf
    for leaf in jax.tree.leaves(state.opt_state)
    if leaf.shape == kernel.shape
  ]
  assert len(moments) == 2
  for moment in moments:
    assert moment.sharding == kernel.sharding
  one = toy.small_experiment(devices=jax.devices()[:1])
  expected, expected_metrics = run(one, 5)
  np.testing.assert_allclose(metrics.losses, expected_metrics.losses, rtol=1e-5)
  np.testing.assert_allclose(
    kernel, expected.params["hidden"]["kernel"], rtol=1e-4, atol=1e-6
  )


def test_the_step_takes_over_the_memory_of_its_state():
  experiment = toy.small_experiment()
  state = experiment.init_state()
  experiment.train_step(state, experiment.load_batch(0))
  assert state.params["hidden"]["kernel"].is_deleted()
