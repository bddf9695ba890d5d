"""Gradients of each task: what they are, and what a step makes of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.train import build
from taskrobust_jax.train.task_gradients import (
  shares_and_cosines,
  vjp_and_norms,
)
from tests.tasks.budgets_test import PARAMS, light_suite_of
from tests.tasks.small import random_batch
from tests.train import toy

KEY = jax.random.key(2)
WEIGHTS = jnp.array([0.7, 0.3])
BATCH = random_batch(16)


@pytest.mark.parametrize("budget", ["rows", "one_input"])
def test_norms_and_weighted_gradient_are_those_of_the_losses(budget):
  suite = light_suite_of(budget=budget)

  @jax.jit
  def found(params):
    losses, pull_back, counts, norms = vjp_and_norms(suite, params, BATCH, KEY)
    plain = suite.per_task_losses(params, BATCH, KEY)
    gradients = jax.jacrev(
      lambda params: suite.per_task_losses(params, BATCH, KEY)[0]
    )(params)
    return (losses, counts), norms, pull_back(WEIGHTS)[0], plain, gradients

  told, norms, gradient, plain, gradients = found(PARAMS)
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-6), told, plain
  )
  leaves = [np.asarray(x, np.float64) for x in jax.tree.leaves(gradients)]
  for k in range(2):
    norm = np.sqrt(sum((leaf[k] ** 2).sum() for leaf in leaves))
    np.testing.assert_allclose(norms[k], norm, rtol=1e-5)
  for got, leaf in zip(jax.tree.leaves(gradient), leaves):
    np.testing.assert_allclose(
      got, 0.7 * leaf[0] + 0.3 * leaf[1], rtol=1e-4, atol=1e-7
    )


def test_one_backward_pass_makes_all_gradients_of_the_budget_rows():
  """Its products are a plain step's; K pull-backs repeat the encoder's."""

  def flops(function):
    return jax.jit(function).lower(PARAMS).cost_analysis()["flops"]

  suite = light_suite_of()
  q = WEIGHTS
  plain = flops(jax.grad(lambda p: suite.per_task_losses(p, BATCH, KEY)[0] @ q))
  apart = flops(lambda p: suite.per_task_gradients(p, BATCH, KEY))
  again = flops(
    lambda p: jax.vmap(
      jax.vjp(lambda p: suite.per_task_losses(p, BATCH, KEY)[0], p)[1]
    )(jnp.eye(2))
  )
  assert apart < 1.1 * plain
  assert again > 1.2 * plain


def test_a_step_on_eight_devices_follows_its_norms():
  text = "strategy=gradnorm,learning_rate=0.05"
  experiment = build.build(toy.config(text), toy.Dataset())
  now, seen = experiment.init_state(), []
  for step in range(4):
    now, metrics = experiment.train_step(now, experiment.load_batch(step))
    seen.append(np.asarray(metrics.task_weights))
  # The first coefficients are equal; Adam then moves each by the rate.
  np.testing.assert_allclose(seen[0], 0.25, rtol=1e-6)
  moved = np.abs(seen[1] - 0.25) * 4
  assert (moved > 0.02).any()
  assert np.isfinite(seen).all()
  np.testing.assert_allclose(np.sum(seen, 1), 1.0, rtol=1e-6)


class Aimed:
  """Tasks whose gradients are known: along x, against x, along y."""

  task_names = ("with", "against", "across")

  def per_task_losses(self, params, batch, rng):
    x, y = params["x"], params["y"]
    scale = batch["scale"][0]
    losses = jnp.stack([scale * x.sum(), -3 * x.sum(), y + x[0]])
    return losses, jnp.array([2.0, 1.0, 5.0])


def test_shares_and_cosines_say_how_alike_tasks_are():
  params = {"x": jnp.zeros(2), "y": jnp.float32(0)}
  batches = [{"scale": np.full(1, s, np.float32)} for s in (1.0, 5.0)]
  shares, cosines = shares_and_cosines(Aimed(), params, batches, seed=0)
  np.testing.assert_allclose(shares, [0.25, 0.125, 0.625])
  np.testing.assert_allclose(
    cosines, [[1, -1, 0.5], [-1, 1, -0.5], [0.5, -0.5, 1]], atol=1e-6
  )
