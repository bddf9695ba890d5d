"""Means over training, alone and through a run."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.train import build, loop
from taskrobust_jax.train.averages import Averages
from taskrobust_jax.train.folder import RunFolder
from tests.train import toy

VALUES = np.array([[3.0, 1.0], [5.0, 2.0], [4.0, 9.0], [8.0, 0.0]])


def means(decay):
  averages = Averages({"x": jnp.zeros(2)}, jnp.ones(2))
  update = jax.jit(Averages.update, static_argnums=4)
  for step, value in enumerate(VALUES):
    averages = update(averages, {"x": value}, value[::-1], step, decay)
  return averages


def test_decay_1_is_the_plain_mean():
  averages = means(1.0)
  np.testing.assert_allclose(averages.params["x"], VALUES.mean(0), rtol=1e-6)
  np.testing.assert_allclose(
    averages.task_weights, VALUES.mean(0)[::-1], rtol=1e-6
  )


def test_a_smaller_decay_becomes_an_exponential_mean():
  # Rates 1, 1/2, then 0.4 for good.
  expected = VALUES[:2].mean(0)
  for value in VALUES[2:]:
    expected = 0.6 * expected + 0.4 * value
  np.testing.assert_allclose(means(0.6).params["x"], expected, rtol=1e-6)


def run(folder, num_steps, **changes):
  experiment = toy.small_experiment(
    "strategy=mirror_ascent,step_size=0.3",
    num_steps=num_steps,
    optimizer__average_decay=1.0,
    log_every=1,
    **changes,
  )
  with RunFolder(folder, experiment) as opened:
    assert loop.train(experiment, opened) == 0
  text = (folder / "metrics.jsonl").read_text()
  return [json.loads(line) for line in text.splitlines()]


def test_a_run_keeps_them_and_evaluates_their_params(tmp_path):
  rows = run(tmp_path / "run", 20)
  weights = [r["train/weight/first"] for r in rows if "train/weight/first" in r]
  logged = [
    r["train/mean_weight/first"] for r in rows if "train/mean_weight/first" in r
  ]
  expected = np.cumsum(weights) / np.arange(1, 21)
  np.testing.assert_allclose(logged, expected, rtol=1e-5)
  held_out = [row for row in rows if "eval/worst_task_loss" in row]
  assert len(held_out) == 3
  worst, of_mean = (
    [row[f"{name}/worst_task_loss"] for row in held_out]
    for name in ("eval", "eval_averaged")
  )
  assert worst[0] == of_mean[0]  # Before the first step.
  assert worst[-1] != of_mean[-1]
  assert of_mean[-1] < of_mean[0]


def test_without_them_nothing_is_kept():
  experiment = toy.small_experiment()
  assert experiment.state_shapes.averages == ()


@pytest.mark.parametrize("decay", [-0.1, 1.5, float("nan")])
def test_an_illegal_decay_is_refused(decay):
  with pytest.raises(InputError, match=r"average_decay must be in \[0, 1\]"):
    build.build(toy.config(optimizer__average_decay=decay), toy.Dataset())
