"""A batch in microbatches is the batch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax import minimax
from taskrobust_jax.errors import InputError
from taskrobust_jax.planning.flops import count_flops
from taskrobust_jax.train import accumulation, build
from tests.train import toy

ONE = slice(0, 1)


def experiment_of(text="", devices=ONE, **changes):
  changes = {"model__dropout_rate": 0.5, **changes}
  return build.build(
    toy.config(text, **changes), toy.Dataset(), devices=jax.devices()[devices]
  )


def steps(experiment, number=3):
  """(state, metrics of each step)."""
  state, history = experiment.init_state(), []
  for step in range(number):
    state, metrics = experiment.train_step(state, experiment.load_batch(step))
    history.append(jax.device_get(metrics))
  return jax.device_get(state), history


def assert_same(one, other):
  for a, b in zip(one[1], other[1], strict=True):
    np.testing.assert_array_equal(a.counts, b.counts)
    np.testing.assert_allclose(a.losses, b.losses, rtol=1e-5)
    np.testing.assert_allclose(a.task_weights, b.task_weights, rtol=1e-5)
    assert b.skipped_updates == 0
  # Adam divides by the root of the square: a gradient near 0 has any sign.
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5),
    one[0].params,
    other[0].params,
  )


@functools.cache
def of_whole_batches():
  return steps(experiment_of(minimax__step_size=0.5))


def test_microbatches_give_what_the_batch_gives():
  expected = of_whole_batches()
  assert (expected[1][-1].losses != expected[1][0].losses).all()
  got = steps(experiment_of(minimax__step_size=0.5, compute__accumulation=4))
  assert_same(expected, got)


@pytest.mark.ci
@pytest.mark.parametrize(
  ("text", "changes"),
  [
    ("order=simultaneous", {"minimax__step_size": 0.5}),
    # The rows that a task has follow the weights of the step before.
    ("strategy=fixed,weights=(13,1,1,1)", {"tasks__budget": "rows_by_weight"}),
    ("", {"tasks__budget": "every_row"}),
    ("", {"tasks__budget": "one_input"}),
  ],
)
def test_in_every_order_and_budget(text, changes):
  expected = steps(experiment_of(text, **changes))
  assert (expected[1][-1].losses != expected[1][0].losses).all()
  got = steps(experiment_of(text, compute__accumulation=4, **changes))
  assert_same(expected, got)


class Rare(toy.Dataset):
  """Its verbs stand in one row of each batch alone, or in none."""

  def __init__(self):
    super().__init__()
    tags = self._splits["train"].rows["tags"]
    verbs = [toy.TAG_NAMES.index(name) for name in ("VERB", "AUX")]
    is_verb = np.isin(tags, verbs)
    is_verb[::13] = False
    tags[is_verb] = toy.TAG_NAMES.index("NOUN")


@pytest.mark.ci
@pytest.mark.parametrize("order", ["alternating", "simultaneous"])
def test_a_task_that_is_absent_from_microbatches_or_from_all(order):
  def history(parts):
    config = toy.config(
      f"order={order}",
      minimax__step_size=0.5,
      batch_size=16,
      compute__accumulation=parts,
    )
    return steps(build.build(config, Rare(), devices=jax.devices()[:1]), 4)

  expected = history(1)
  verbs = [metrics.counts[-1] for metrics in expected[1]]
  assert 0 in verbs
  assert max(verbs) > 0
  assert_same(expected, history(4))


@pytest.mark.ci
def test_eight_devices_give_what_one_gives():
  one = steps(experiment_of(compute__accumulation=2, batch_size=64))
  eight = steps(
    experiment_of(
      devices=slice(None),
      compute__accumulation=2,
      batch_size=64,
      mesh__data=2,
      mesh__fsdp=2,
      mesh__tensor=2,
    )
  )
  assert_same(one, eight)


def test_the_arithmetic_is_that_of_the_batch_or_a_third_more():
  def flops(text, parts):
    experiment = experiment_of(text, compute__accumulation=parts)
    return count_flops(
      experiment.train_step, experiment.state_shapes, experiment.load_batch(0)
    )

  whole = flops("", 1)
  assert flops("order=simultaneous", 4) == whole
  assert flops("order=alternating", 4) / whole == pytest.approx(4 / 3, rel=0.02)


class Slopes:
  """Row i serves task i mod 3, and has a target where x is not 0."""

  task_names = ("first", "second", "absent")
  takes_parts = True

  def per_task_losses(self, params, batch, rng, part=None):
    del rng
    rows = jnp.arange(len(batch)) if part is None else part.rows
    serves = (rows[:, None] % 3 == jnp.arange(3)) & (batch != 0)[:, None]
    counts = serves.sum(0, dtype=jnp.float32)
    total = jnp.where(serves, (params * batch)[:, None] ** 2, 0.0).sum(0)
    return total / jnp.maximum(counts, 1.0), counts


def test_known_weights_leave_out_a_task_without_targets():
  batch = jnp.array([1.0, 2, 0, 3, 4, 0, 0, 5, 0, 6, 7, 0])
  before = jnp.array([0.2, 0.3, 0.5])
  vjp = accumulation.make_accumulated_vjp(
    Slopes(), 2, minimax.make("mirror_ascent"), "simultaneous"
  )
  losses, pull_back, counts = vjp(jnp.array(3.0), batch, None, before)
  np.testing.assert_allclose(counts, [3, 4, 0])
  squares = np.array([(1 + 9 + 36) / 3, (4 + 16 + 25 + 49) / 4, 0])
  np.testing.assert_allclose(losses, 9 * squares, rtol=1e-6)
  (gradient,) = pull_back(before)
  np.testing.assert_allclose(gradient, 6 * squares @ [0.4, 0.6, 0], rtol=1e-6)


class Plain(toy.Squares):
  """A user's suite that knows nothing of parts."""


@pytest.mark.parametrize(
  ("text", "changes", "message"),
  [
    ("", {"compute__accumulation": 0}, "must be a whole number >= 1, got 0"),
    ("", {"compute__accumulation": 3}, "x 3 microbatches = 12, got 32"),
    (
      "strategy=gradnorm",
      {"compute__accumulation": 2},
      "must be 1 for a strategy that needs gradient_norms, got 2",
    ),
  ],
)
def test_what_cannot_be_done_is_refused(text, changes, message):
  with pytest.raises(InputError) as caught:
    experiment_of(text, **changes)
  assert message in str(caught.value)


def test_a_suite_that_takes_no_parts_is_named():
  config = toy.config(batch_size=24, compute__accumulation=2)
  with pytest.raises(InputError, match="must be 1 for Plain, which does not"):
    build.build(
      config, toy.Dataset(), Plain(), toy.init_params, jax.devices()[:1]
    )
