"""What the tasks' losses are made of; `budgets_test.py` has the budgets."""

import jax
import jax.numpy as jnp
import numpy as np

from taskrobust_jax.tasks.suite import TaskSuite, row_keys
from tests.tasks.small import (
  LENGTH,
  TAGS,
  losses_of,
  model,
  random_batch,
  suite_of,
)


def two_rows():
  """Row 0 has two targets, row 1 has one; every token is 0."""
  batch = jax.tree.map(np.zeros_like, random_batch(2))
  batch["tags"][0, 1:3] = batch["tags"][1, 1] = 1
  batch["word_starts"][0, 1:3] = batch["word_starts"][1, 1] = 1
  return batch


def right_in_row_0(params, inputs, segments, positions, at, key):
  """Sure of token 0 in row 0; slightly for token 1 in row 1."""
  row = jnp.arange(2)[:, None, None]
  token = jnp.arange(50)
  logits = jnp.where((row == 0) & (token == 0), 1e9, 0.0)
  logits += jnp.where((row == 1) & (token == 1), 1e-6, 0.0)
  return logits + jnp.zeros((*at.shape, 50))


def test_a_loss_is_a_sum_over_a_count_never_a_mean_of_means():
  suite = suite_of({"nouns": ["NOUN"]}, 4, 1.0, apply=right_in_row_0)
  losses, counts = losses_of(suite, None, two_rows(), jax.random.key(0))
  assert counts[0] == 3
  np.testing.assert_allclose(losses[0], np.log(50) / 3, rtol=1e-5)


def test_accuracy_counts_targets_alone():
  suite = suite_of({"nouns": ["NOUN"]}, 4, 1.0, apply=right_in_row_0)
  sums = jax.jit(suite.per_task_sums)(None, two_rows(), jax.random.key(0))
  np.testing.assert_array_equal(sums.correct, [2.0])
  np.testing.assert_array_equal(sums.count, [3.0])


def test_a_row_draws_by_its_place_alone():
  suite = suite_of()
  batch, other = random_batch(4), random_batch(4, seed=1)
  for name in other:
    other[name][2] = batch[name][2]
  keys = row_keys(jax.random.key(0), np.arange(4))
  draw = jax.jit(jax.vmap(suite._corrupt_row, in_axes=(None, 0, 0)))
  for one, two in zip(draw(0, batch, keys), draw(0, other, keys)):
    np.testing.assert_array_equal(one[2], two[2])
  assert (draw(0, batch, keys)[0][0] != draw(0, batch, keys[::-1])[0][0]).any()


def test_an_absent_task_has_count_0_and_a_finite_loss():
  params, _ = model()
  batch = random_batch(4)
  batch["tags"][batch["tags"] == 2] = 3  # No verbs.
  losses, counts = losses_of(suite_of(), params, batch, jax.random.key(0))
  assert counts[0] > 0
  assert counts[1] == 0
  assert np.isfinite(losses).all()


def test_evaluation_asks_every_row_for_every_task():
  params, _ = model()
  suite = suite_of(max_predictions=LENGTH, word_fraction=1.0)
  batch = random_batch(4)
  sums = jax.jit(suite.per_task_sums)(params, batch, jax.random.key(0))
  expected = [(batch["tags"] == k).sum() for k in (1, 2)]
  np.testing.assert_array_equal(sums.count, expected)
  assert (np.asarray(sums.correct) <= sums.count).all()


def test_ordinary_masking_is_the_case_of_one_group_and_a_full_budget():
  params, _ = model()
  suite = suite_of({"all": TAGS[1:]}, max_predictions=2, word_fraction=1.0)
  batch = random_batch(64)
  _, counts = losses_of(suite, params, batch, jax.random.key(0))
  # Two places a row, filled unless the row's words are all too long.
  assert 1.7 <= counts[0] / 64 <= 2


def test_products_do_not_grow_with_the_number_of_tasks():
  params, _ = model()
  groups = {name: [name] for name in TAGS[1:]}

  def products(groups, rows):
    step = lambda p: (
      suite_of(groups)
      .per_task_losses(p, random_batch(rows), jax.random.key(0))[0]
      .sum()
    )
    return str(jax.make_jaxpr(jax.grad(step))(params)).count("dot_general")

  assert products({"all": TAGS[1:]}, 6) == products(groups, 6)


def test_the_suite_is_one():
  assert isinstance(suite_of(), TaskSuite)
