"""Which rows serve which task, and what follows for losses and gradients."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.tasks.corruption import choose_words, corrupt
from taskrobust_jax.tasks.masked_language import BUDGETS, MaskedLanguage
from taskrobust_jax.tasks.rows_by_weight import assign_rows
from taskrobust_jax.tasks.suite import TaskSuite
from taskrobust_jax.train import sharding
from tests.tasks.small import (
  GROUPS,
  LENGTH,
  VOCABULARY,
  random_batch,
  suite_of,
)
from tests.train.toy import assert_same_bits

NUM_ROWS = 16
NUM_KEYS = 800
WEIGHTS = np.array([0.8, 0.2], np.float32)


def word_by_word():
  """(params, apply) of a model that compiles at once: a sum of words."""
  size = (VOCABULARY.size, 4)
  params = {
    name: jax.random.normal(jax.random.key(seed), size)
    for seed, name in enumerate(("word", "out"))
  }

  def apply(params, tokens, segment_ids, positions, targets_at, dropout_keys):
    words = params["word"][tokens]
    # With dropout, so that its keys count too.
    if dropout_keys is not None:
      words *= jax.vmap(
        lambda key: jax.random.bernoulli(key, 0.8, words.shape[1:])
      )(dropout_keys)
    chosen = jnp.take_along_axis(words, targets_at[..., None], axis=1)
    return (chosen + words.mean(1, keepdims=True)) @ params["out"].T

  return params, apply


PARAMS, APPLY = word_by_word()
light_suite_of = functools.partial(suite_of, apply=APPLY)


def rows_of(batch, rows):
  return {name: value[rows] for name, value in batch.items()}


def plain_losses(params, batch, rng):
  """What the budget "rows" must be, bit by bit: two tasks, written out."""
  word_key, dropout_key = jax.random.split(rng)

  def hide(task, row, key):
    word_key, corrupt_key = jax.random.split(key)
    chosen = choose_words(
      word_key, row["word_starts"] == 1, row["tags"] == task + 1, 0.5, 4
    )
    at = jnp.nonzero(chosen, size=4, fill_value=0)[0]
    inputs = corrupt(corrupt_key, row["tokens"], chosen, VOCABULARY)
    return inputs, at, row["tokens"][at], jnp.arange(4) < chosen.sum()

  def loss_of(task, rows, numbers):
    keys, dropout_keys = (
      jax.vmap(lambda i, key=key: jax.random.fold_in(key, i))(numbers)
      for key in (word_key, dropout_key)
    )
    inputs, at, tokens, is_target = jax.vmap(hide, (None, 0, 0))(
      task, rows, keys
    )
    logits = APPLY(
      params, inputs, rows["segment_ids"], rows["positions"], at, dropout_keys
    )
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, tokens)
    count = is_target.sum()
    return jnp.where(is_target, losses, 0.0).sum() / count, count * 1.0

  numbers = np.arange(NUM_ROWS)
  folded = lambda x: jnp.stack([x[0::2], x[1::2]])
  return jax.vmap(loss_of)(
    jnp.arange(2),
    jax.tree.map(folded, batch),
    folded(numbers),
  )


def test_rows_are_bit_by_bit_what_they_were():
  suite = light_suite_of()

  def losses_and_gradients(function):
    def weighted(params, batch, key):
      losses, counts = function(params, batch, key)
      return losses @ WEIGHTS, (losses, counts)

    inputs = (PARAMS, random_batch(NUM_ROWS), jax.random.key(3))
    return jax.jit(jax.grad(weighted, has_aux=True))(*inputs)

  assert_same_bits(
    losses_and_gradients(suite.per_task_losses),
    losses_and_gradients(plain_losses),
  )


jitted_apply = jax.jit(APPLY)
# It is the same in every budget.
corrupt_row = jax.jit(light_suite_of()._corrupt_row)


def loop_over(batch, passes):
  """Losses [K] by a loop: over forward passes, rows, places.

  Each pass is (rows, task of each row or `None` for all, word key, dropout
  key).
  """
  total, count = np.zeros(2), np.zeros(2)
  for numbers, tasks, word_key, dropout_key in passes:
    drawn = [
      corrupt_row(task, rows_of(batch, row), jax.random.fold_in(word_key, row))
      for row, task in zip(numbers, tasks)
    ]
    inputs, at, targets, is_target, _ = (np.stack(x) for x in zip(*drawn))
    rows = rows_of(batch, np.array(numbers))
    keys = jax.vmap(jax.random.fold_in, (None, 0))(
      dropout_key, np.array(numbers)
    )
    logits = jitted_apply(
      PARAMS, inputs, rows["segment_ids"], rows["positions"], at, keys
    )
    logits = np.asarray(logits, np.float64)
    log_norm = np.log(np.exp(logits).sum(-1))
    for i, m in np.argwhere(is_target):
      task = rows["tags"][i, at[i, m]] - 1  # Nouns are tag 1, verbs 2.
      assert tasks[i] is None or task == tasks[i]
      total[task] += log_norm[i, m] - logits[i, m, targets[i, m]]
      count[task] += 1
  return total / np.maximum(count, 1), count


def passes_of(budget, key):
  everyone = range(NUM_ROWS)
  word_key, dropout_key = jax.random.split(key)
  by_task = jax.random.split(dropout_key, 2)
  if budget == "rows":
    rows = [everyone[task::2] for task in range(2)]
    return [(rows[k], [k] * NUM_ROWS, word_key, dropout_key) for k in range(2)]
  if budget == "every_row":
    return [(everyone, [k] * NUM_ROWS, word_key, by_task[k]) for k in range(2)]
  word_key, dropout_key, row_key = jax.random.split(key, 3)
  tasks = [None] * NUM_ROWS
  if budget == "rows_by_weight":
    tasks = np.asarray(assign_rows(row_key, jnp.array(WEIGHTS), NUM_ROWS, 1))
    assert np.bincount(tasks)[0] in (12, 13)  # 1 + 14 * 0.8
  return [(everyone, list(tasks), word_key, dropout_key)]


@pytest.mark.parametrize("budget", BUDGETS)
def test_eight_devices_equal_a_loop_and_need_all_reduce_alone(budget):
  suite = light_suite_of(budget=budget)
  mesh = sharding.make_mesh()
  assert mesh.size == 8

  def weighted(params, batch, key, task_weights):
    losses, counts = suite.per_task_losses(params, batch, key, task_weights)
    return losses @ task_weights, (losses, counts)

  everywhere = sharding.replicated(mesh)
  batch, key = random_batch(NUM_ROWS), jax.random.key(3)
  inputs = jax.device_put(
    (PARAMS, batch, key, WEIGHTS),
    (everywhere, sharding.batch_sharding(mesh), everywhere, everywhere),
  )
  gradient = jax.jit(jax.grad(weighted, has_aux=True), out_shardings=everywhere)
  compiled = gradient.lower(*inputs).compile()
  names = "all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute"
  found = re.findall(rf" ({names})(?:-start)?\(", compiled.as_text())
  assert set(found) == {"all-reduce"}

  _, (losses, counts) = compiled(*inputs)
  expected, count = loop_over(batch, passes_of(budget, key))
  assert (count > 0).all()
  np.testing.assert_array_equal(counts, count)
  np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_one_input_hides_words_of_all_groups_together():
  batch = random_batch(NUM_ROWS)
  tasks_of_rows = []
  for row in range(NUM_ROWS):
    inputs, at, targets, is_target, tasks = map(
      np.asarray, corrupt_row(None, rows_of(batch, row), jax.random.key(row))
    )
    tags = batch["tags"][row]
    np.testing.assert_array_equal(tasks[is_target], tags[at][is_target] - 1)
    tasks_of_rows.append(set(tasks[is_target]))
    rest = np.setdiff1d(np.arange(LENGTH), at[is_target])
    np.testing.assert_array_equal(inputs[rest], batch["tokens"][row][rest])
  assert {0, 1} in tasks_of_rows
  assert set.union(*tasks_of_rows) == {0, 1}  # Never of no group.


@functools.cache
def jitted_losses(budget):
  return jax.jit(light_suite_of(budget=budget).per_task_losses)


@pytest.mark.parametrize("budget", ["one_input", "rows_by_weight"])
def test_an_absent_task_has_count_0_and_a_finite_loss(budget):
  batch = random_batch(NUM_ROWS)
  batch["tags"][batch["tags"] == 2] = 3  # No verbs.
  losses, counts = jitted_losses(budget)(
    PARAMS, batch, jax.random.key(0), WEIGHTS
  )
  assert counts[0] > 0
  assert counts[1] == 0
  assert np.isfinite(losses).all()


def even_rows(num_rows):
  """Rows of one-piece words, four of each group, in any order.

  Every row gives a task as many targets, so that a ratio of sums is a mean.
  """
  random = np.random.default_rng(0)
  batch = random_batch(num_rows)
  batch["tokens"] = random.integers(5, 50, batch["tokens"].shape)
  batch["word_starts"][:] = 1
  for row in batch["tags"]:
    row[:] = random.permutation(np.repeat([0, 1, 2, 3], LENGTH // 4))
  return {name: value.astype(np.int32) for name, value in batch.items()}


def test_the_gradient_has_the_mean_of_plain_rows_and_less_variance():
  pool = even_rows(6)
  weights = jnp.array([0.95, 0.05])

  def moments(budget, seed):
    suite = light_suite_of(budget=budget)

    def weighted(params, key):
      row_key, key = jax.random.split(key)
      rows = jax.random.randint(row_key, (16,), 0, 6)
      batch = {name: jnp.asarray(value)[rows] for name, value in pool.items()}
      return suite.per_task_losses(params, batch, key, weights)[0] @ weights

    keys = jax.random.split(jax.random.key(seed), NUM_KEYS)
    gradients = jax.jit(jax.vmap(jax.grad(weighted), (None, 0)))(PARAMS, keys)
    gradients = np.concatenate(
      [x.reshape(NUM_KEYS, -1) for x in jax.tree.leaves(gradients)], 1
    )
    gradients = gradients.astype(np.float64)
    return gradients.mean(0), gradients.var(0) / len(keys)

  plain, plain_error = moments("rows", 0)
  got, error = moments("rows_by_weight", 1)
  z = (got - plain) / np.sqrt(error + plain_error + 1e-18)
  assert np.abs(z).max() < 5
  assert np.mean(z**2) < 2  # 1, give or take a quarter: they move as one.
  # 8.8 effective rows of 16 against 15.8.
  assert 0.45 < error.sum() / plain_error.sum() < 0.7


def test_new_weights_need_no_new_program():
  losses = jitted_losses("rows_by_weight")
  inputs = (PARAMS, even_rows(16), jax.random.key(0))
  counts = [
    losses(*inputs, np.float32(weights))[1]
    for weights in ([1.0, 0.0], [0.0, 1.0], [0.5, 0.5])
  ]
  assert losses._cache_size() == 1
  # Two targets a row; one row is the floor.
  np.testing.assert_array_equal(counts, [[30, 2], [2, 30], [16, 16]])
  suite = light_suite_of(budget="rows_by_weight")
  equal = suite._tasks_of_rows(jax.random.key(0), 16, None)
  np.testing.assert_array_equal(np.bincount(equal), [8, 8])


def test_evaluation_is_the_same_in_every_budget():
  batch = random_batch(4)
  programs = {
    str(
      jax.make_jaxpr(light_suite_of(budget=budget).per_task_sums)(
        PARAMS, batch, jax.random.key(0)
      )
    )
    for budget in BUDGETS
  }
  assert len(programs) == 1


def test_one_budget_asks_for_the_weights():
  suites = {budget: light_suite_of(budget=budget) for budget in BUDGETS}
  assert all(isinstance(suite, TaskSuite) for suite in suites.values())
  asking = [b for b, suite in suites.items() if suite.uses_task_weights]
  assert asking == ["rows_by_weight"]
  assert isinstance(suites["rows"], MaskedLanguage)


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"budget": "row"}, "budget must be one of rows, .*'row'; did you mean"),
    ({"budget": None}, "budget must be one of .* got None"),
    ({"min_rows": 2}, "min_rows .*'rows_by_weight', got 2 .* 'rows'"),
    ({"budget": "rows_by_weight", "min_rows": 0}, "min_rows .* >= 1, got 0"),
    ({"budget": "rows_by_weight", "min_rows": 1.5}, "min_rows .* got 1.5"),
    ({"budget": "rows_by_weight", "min_rows": True}, "min_rows .* got True"),
  ],
)
def test_bad_arguments_are_named(arguments, message):
  with pytest.raises(InputError, match=message):
    light_suite_of(**arguments)


@pytest.mark.parametrize(
  ("arguments", "num_rows", "message"),
  [
    ({}, 7, "batch_size must be a multiple of 2 .* 'rows' .* got 7"),
    ({"budget": "every_row"}, 0, "batch_size must be a multiple of 1 .* got 0"),
    (
      {"budget": "rows_by_weight", "min_rows": 4},
      7,
      "batch_size must be at least 2 tasks x min_rows = 4: 8, got 7",
    ),
  ],
)
def test_a_batch_that_cannot_be_shared_out_is_named(
  arguments, num_rows, message
):
  suite = light_suite_of(**arguments)
  with pytest.raises(InputError, match=message):
    suite.check_batch_size(num_rows)
  with pytest.raises(InputError, match=message):
    suite.per_task_losses(None, random_batch(num_rows), jax.random.key(0))
  suite.check_batch_size(8)


def test_weights_of_another_number_of_tasks_are_named():
  suite = light_suite_of(budget="rows_by_weight")
  with pytest.raises(InputError, match=r"shape \(2,\) .* got \(3,\)"):
    suite.per_task_losses(
      None, random_batch(8), jax.random.key(0), jnp.ones(len(GROUPS) + 1)
    )
