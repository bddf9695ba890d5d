"""Held-out evaluation: sums over all rows, divided once."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.train import evaluation
from taskrobust_jax.train.evaluation import make_evaluate, worst_task_band
from taskrobust_jax.train.sharding import make_mesh
from taskrobust_jax.train.state import stream
from tests.train import toy

NUM_ROWS = 21


class Quiet(toy.SquaresWithSums):
  """Draws nothing, so that the cut into batches cannot show."""

  def _errors(self, params, batch, rng):
    del rng
    _, is_target = super()._errors(params, batch, jax.random.key(0))
    x = batch["tokens"][:, :1] / toy.VOCABULARY_SIZE
    return x * jnp.array([1.0, 2.0, 3.0]), is_target


class QuietWithoutSums(Quiet):
  """Has the two attributes that a suite must have, and no more."""

  per_task_sums = property()  # hasattr says no.


def params():
  return toy.init_params(jax.random.key(0))


def evaluate_of(suite, batch_size=8, max_rows=0, source=None, seed=0):
  return make_evaluate(
    suite,
    source or toy.Rows(NUM_ROWS, 1),
    make_mesh(),
    batch_size=batch_size,
    max_rows=max_rows,
    seed=seed,
  )


def test_it_is_a_plain_loop_over_the_rows():
  rows = toy.Rows(NUM_ROWS, 1).rows
  x = rows["tokens"][:, 0] / toy.VOCABULARY_SIZE
  is_rare = rows["tags"][:, 1] <= 2
  assert is_rare.any()
  first, second, rare = x, 2 * x, 3 * x[is_rare]
  found = evaluate_of(Quiet())(params())
  expected = {
    "eval/loss/first": first.mean(),
    "eval/accuracy/first": (first < 0.1).mean(),
    "eval/count/first": NUM_ROWS,
    "eval/loss/second": second.mean(),
    "eval/accuracy/second": (second < 0.1).mean(),
    "eval/count/second": NUM_ROWS,
    "eval/loss/rare": rare.mean(),
    "eval/accuracy/rare": (rare < 0.1).mean(),
    "eval/count/rare": is_rare.sum(),
  }
  losses = [first.mean(), second.mean(), rare.mean()]
  expected["eval/worst_task_loss"] = max(losses)
  expected["eval/mean_task_loss"] = np.mean(losses)
  assert list(found) == list(expected)
  assert {type(value) for value in found.values()} == {float}
  for name, value in expected.items():
    np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("batch_size", [8, 16, 24, 64])
def test_how_rows_are_cut_into_batches_changes_nothing(batch_size):
  # 24 and 64 pad the only batch, 8 and 16 the last of several.
  found = evaluate_of(Quiet(), batch_size)(params())
  expected = evaluate_of(Quiet(), 24)(params())
  for name, value in expected.items():
    np.testing.assert_allclose(found[name], value, rtol=1e-6)


def test_every_batch_has_its_own_key_from_the_evaluation_stream():
  suite = toy.SquaresWithSums()
  source = toy.Rows(NUM_ROWS, 1)
  total = np.zeros(3)
  count = np.zeros(3)
  for index, first in enumerate(range(0, NUM_ROWS, 8)):
    rows = source.read(np.arange(first, min(first + 8, NUM_ROWS)))
    rng = jax.random.fold_in(stream("evaluate", 3), index)
    sums = suite.per_task_sums(params(), jax.tree.map(jnp.asarray, rows), rng)
    total += sums.loss
    count += sums.count
  found = evaluate_of(suite, seed=3)(params())
  np.testing.assert_allclose(
    [found[f"eval/loss/{name}"] for name in suite.task_names],
    total / count,
    rtol=1e-5,
  )


@pytest.mark.parametrize(
  ("max_rows", "used"), [(0, 21), (5, 5), (8, 8), (9, 9), (21, 21), (99, 21)]
)
def test_max_rows(max_rows, used):
  found = evaluate_of(Quiet(), max_rows=max_rows)(params())
  assert found["eval/count/first"] == used
  tokens = toy.Rows(NUM_ROWS, 1).rows["tokens"][:used, 0]
  np.testing.assert_allclose(
    found["eval/loss/first"],
    tokens.mean() / toy.VOCABULARY_SIZE,
    rtol=1e-6,
  )


def test_training_in_between_changes_nothing():
  experiment = toy.small_experiment()
  state = experiment.init_state()
  kept = jax.device_get(state.params)
  before = experiment.evaluate(state.params)
  for step in range(2):
    state, _ = experiment.train_step(state, experiment.load_batch(step))
  after = experiment.evaluate(state.params)
  assert after["eval/loss/first"] != before["eval/loss/first"]
  again = jax.device_put(kept, experiment.state_sharding.params)
  assert experiment.evaluate(again) == before


def test_a_suite_without_sums_has_no_accuracies():
  suite = QuietWithoutSums()
  assert not hasattr(suite, "per_task_sums")
  found = evaluate_of(suite, batch_size=24)(params())
  assert not any("accuracy" in name for name in found)
  # Row i serves task i mod 3 alone.
  rows = toy.Rows(NUM_ROWS, 1).rows["tokens"][:, 0] / toy.VOCABULARY_SIZE
  assert found["eval/count/second"] == 7
  np.testing.assert_allclose(
    found["eval/loss/second"], 2 * rows[1::3].mean(), rtol=1e-6
  )
  # Batches of 24 or of 48 rows: sums of both are divided once.
  more = evaluate_of(suite, batch_size=48, source=toy.Rows(45, 2))(params())
  less = evaluate_of(suite, batch_size=24, source=toy.Rows(45, 2))(params())
  assert more.keys() == less.keys()
  for name, value in more.items():
    np.testing.assert_allclose(less[name], value, rtol=1e-6)


def test_a_task_without_targets_is_left_out():
  source = toy.Rows(NUM_ROWS, 1)
  source.rows["tags"][:, 1] = 3
  for suite in (Quiet(), QuietWithoutSums()):
    found = evaluate_of(suite, batch_size=24, source=source)(params())
    assert not any("rare" in name for name in found)
    losses = [found["eval/loss/first"], found["eval/loss/second"]]
    np.testing.assert_allclose(found["eval/worst_task_loss"], max(losses))
    np.testing.assert_allclose(found["eval/mean_task_loss"], np.mean(losses))


def test_no_targets_at_all_is_no_values():
  source = toy.Rows(NUM_ROWS, 1)
  source.rows["segment_ids"][:] = 0
  evaluate = evaluate_of(Quiet(), source=source)
  assert evaluate(params()) == {}
  state = types.SimpleNamespace(params=params(), averages=())
  with pytest.raises(InputError, match=r"no task has a target .*max_rows"):
    evaluation.evaluate_state(evaluate, state)


def test_a_loss_that_is_not_finite_is_the_worst():
  source = toy.Rows(NUM_ROWS, 1)
  source.rows["tokens"] = source.rows["tokens"].astype(np.float32)
  source.rows["tokens"][3, 0] = np.nan
  found = evaluate_of(Quiet(), source=source)(params())
  assert np.isnan(found["eval/worst_task_loss"])


def test_the_band_of_the_worst_task_holds_its_spread():
  generator = np.random.default_rng(1)
  counts = np.full((200, 2), 50.0)
  losses = np.array([1.0, 2.0]) + 0.3 * generator.normal(size=(200, 2))
  low, high = worst_task_band(losses * counts, counts)
  # Twice 1.96 standard errors of a mean of 200 batches.
  np.testing.assert_allclose(high - low, 2 * 1.96 * 0.3 / 200**0.5, rtol=0.15)
  assert low < losses[:, 1].mean() < high


def test_the_band_is_of_the_worst_and_not_of_one_task():
  counts = np.ones((6, 3))
  losses = np.tile([3.0, 1.0, 2.0], (6, 1))
  assert worst_task_band(losses, counts) == (3.0, 3.0)


def test_a_task_that_a_sample_does_not_see_is_not_its_worst():
  counts = np.ones((5, 2))
  counts[1:, 0] = 0.0
  losses = np.where(counts > 0, [5.0, 1.0], 0.0)
  low, high = worst_task_band(losses, counts)
  assert (low, high) == (1.0, 5.0)


def test_a_band_is_told_from_five_batches_on():
  suite = toy.SquaresWithSums()
  few = evaluate_of(suite, batch_size=8, source=toy.Rows(32, 2))(params())
  many = evaluate_of(suite, batch_size=8, source=toy.Rows(40, 2))(params())
  assert "eval/worst_task_loss_low" not in few
  assert (
    many["eval/worst_task_loss_low"]
    <= many["eval/worst_task_loss"]
    <= many["eval/worst_task_loss_high"]
  )
