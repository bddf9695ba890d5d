"""Losses and gradients that are no numbers, and tasks that starve."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax import errors, minimax
from taskrobust_jax.train import loop
from taskrobust_jax.train.folder import RunFolder
from tests import programs
from tests.torture import poison


@pytest.mark.parametrize("place", poison.PLACES)
@pytest.mark.parametrize("value", poison.VALUES)
def test_poison_at_random_steps_is_survived(place, value):
  assert poison.survives(place, value, seed=0) == ""


def train(path, experiment):
  with RunFolder(path, experiment) as folder:
    return loop.train(experiment, folder)


@pytest.mark.parametrize(
  ("place", "words"),
  [
    ("one task's loss", "NaN or inf is in the loss of second"),
    ("gradients", "NaN or inf is in no task's loss"),
  ],
)
# At a row; at a save, where no row is.
@pytest.mark.parametrize("log_every", [1, 100])
def test_after_so_many_in_a_row_it_fails_by_name(
  tmp_path, place, words, log_every
):
  base = poison.experiment(
    log_every=log_every, num_steps=12, checkpoint__every=4, evaluation__every=4
  )._replace(max_non_finite_in_a_row=3)
  # Two in a row are borne; from step 6 on (the batch of 5) there is no end.
  steps = {0, 1, *range(5, 100)}
  run = poison.poison_with(base, place, np.nan, steps)
  with pytest.raises(FloatingPointError) as caught:
    train(tmp_path / "run", run)
  assert words in str(caught.value)
  assert "step 8: gradients have not been finite since step 6, 3 in" in str(
    caught.value
  )
  whole = poison.poison_with(base, place, np.nan, {0, 1})
  # What was saved before is whole, and a run without the poison goes on.
  assert train(tmp_path / "run", whole) == errors.DONE
  assert train(tmp_path / "whole", whole) == errors.DONE
  both = [(tmp_path / x / "metrics.jsonl") for x in ("run", "whole")]
  assert both[0].read_bytes() == both[1].read_bytes()


STRATEGIES = {
  "mirror_ascent": minimax.mirror_ascent(0.1),
  "smoothed": minimax.mirror_ascent(0.1, smoothing=0.1),
  "optimistic": minimax.optimistic_mirror_ascent(0.1),
  "group_dro": minimax.group_dro(0.1),
  "softmax_weighted": minimax.softmax_weighted(0.5),
  "cvar": minimax.cvar(0.5),
}


def weights_after(weighting, parts):
  """Weights after so many steps each of losses and presence."""
  state = weighting.init(3)
  for losses, is_present, num_steps in parts:
    losses, is_present = jnp.array(losses), jnp.array(is_present)

    def step(state, _, losses=losses, is_present=is_present):
      _, state = weighting.update(losses, state, is_present)
      return state, None

    state, _ = jax.lax.scan(step, state, length=num_steps)
  return np.asarray(state.task_weights)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("how", ["starved", "absent", "alone"])
def test_a_task_recovers_from_a_thousand_steps_without_it(name, how):
  present = {
    "starved": [True] * 3,
    "absent": [False, True, True],
    "alone": [True, False, False],  # Two of them are not seen.
  }[how]
  before = ([0.0, 2.0, 2.0], present, 1000)
  after = ([3.0, 1.0, 1.0], [True] * 3, 1500)
  weights = weights_after(STRATEGIES[name], [before, after])
  assert np.isfinite(weights).all()
  np.testing.assert_allclose(weights.sum(), 1.0, rtol=1e-5)
  assert weights[0] > 0.6


def test_a_run_with_a_spike_limit_skips_and_counts_it(tmp_path):
  base = poison.experiment(optimizer__skip_norm_above=3.0, num_steps=130)
  run = poison.poison_with(base, "one task's loss", 1e6, {120, 125})
  assert train(tmp_path, run) == errors.DONE
  run_rows = [
    row for row in programs.rows_of(tmp_path) if "train/skipped_updates" in row
  ]
  skipped = {row["step"]: row["train/skipped_updates"] for row in run_rows}
  assert [skipped[s] for s in (100, 120, 121, 125, 126, 130)] == [
    *(0.0, 0.0, 1.0, 1.0, 2.0, 2.0)
  ]
