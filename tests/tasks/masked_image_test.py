"""The suite: which values count, what MAE is a case of, and bad input."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.multimae import MultiMae, MultiMaeOptions
from taskrobust_jax.models.transformer import TransformerOptions
from taskrobust_jax.tasks import modalities
from taskrobust_jax.tasks.masked_image import MaskedImage
from taskrobust_jax.tasks.suite import TaskSuite
from taskrobust_jax.train import sharding
from tests.tasks.modalities_test import NUM_CLASSES, PATCH, SIZE, batch_of

ALL = ("rgb", "hog", "edges", "depth", "normals", "semseg")
KINDS = modalities.make(NUM_CLASSES)


def layers(width):
  return TransformerOptions(
    1, width, 2, 2 * width, dropout_rate=0.0, pre_norm=True
  )


@functools.cache
def made(inputs=("rgb", "depth"), outputs=ALL, num_visible=3):
  sizes = lambda names: {k: KINDS[k].num_values(PATCH) for k in names}
  options = MultiMaeOptions(
    (2, 2), sizes(inputs), sizes(outputs), layers(16), layers(8)
  )
  init, apply = functional(lambda rngs: MultiMae(options, rngs))
  suite = MaskedImage(apply, KINDS, inputs, outputs, SIZE, PATCH, num_visible)
  return jax.jit(init)(jax.random.key(0)), suite


@functools.cache
def losses_of(*arguments):
  return jax.jit(made(*arguments)[1].per_task_losses)


KEY = jax.random.key(5)


def test_it_is_a_suite():
  assert isinstance(made()[1], TaskSuite)


def test_losses_are_means_over_hidden_known_values():
  params, suite = made()
  batch = batch_of(4)
  losses, counts = losses_of()(params, batch, KEY)
  order = suite.draw_order(batch, KEY)
  predicted = suite.apply(params, suite.show(batch), order, 3)
  visible = np.asarray(order)[:, :3]
  hidden = {
    "rgb": [[n not in row for n in range(4)] for row in visible],
    "depth": [[n + 4 not in row for n in range(4)] for row in visible],
  }
  for k, name in enumerate(ALL):
    target = KINDS[name].target(batch, PATCH)
    # What is no input is judged where the first input is hidden.
    own = np.array(hidden.get(name, hidden["rgb"]))[..., None]
    counted = np.asarray(target.is_known) & own
    found = np.asarray(KINDS[name].loss(predicted[name], target.values))
    np.testing.assert_allclose(counts[k], counted.sum())
    np.testing.assert_allclose(losses[k], found[counted].mean(), rtol=1e-4)


def test_accuracy_is_told_of_classes_alone():
  params, suite = made()
  batch = batch_of(4)
  sums = jax.jit(suite.per_task_sums)(params, batch, KEY)
  losses, counts = losses_of()(params, batch, KEY)
  np.testing.assert_allclose(sums.loss / sums.count, losses, rtol=1e-6)
  np.testing.assert_array_equal(sums.count, counts)
  is_told = np.isfinite(sums.correct)
  assert [name for name, x in zip(ALL, is_told) if x] == ["semseg"]
  order = suite.draw_order(batch, KEY)
  logits = suite.apply(params, suite.show(batch), order, 3)["semseg"]
  classes = np.asarray(logits).reshape(4, 4, -1, NUM_CLASSES).argmax(-1)
  target = KINDS["semseg"].target(batch, PATCH)
  counted = (
    np.asarray(target.is_known)
    & np.asarray(suite.is_hidden(order)["rgb"])[..., None]
  )
  right = (classes == target.values) & counted
  assert sums.correct[-1] == right.sum() > 0


def test_the_loss_of_mae():
  """Mean over hidden patches of the mean squared error of a patch."""
  params, suite = made(("rgb",), ("rgb",), 1)
  batch = batch_of(3)
  (loss,), (count,) = losses_of(("rgb",), ("rgb",), 1)(params, batch, KEY)
  order = suite.draw_order(batch, KEY)
  predicted = np.asarray(
    suite.apply(params, suite.show(batch), order, 1)["rgb"]
  )
  rgb = batch["rgb"] / 255.0
  total, num = 0.0, 0
  for row, n in np.ndindex(3, 4):
    if n == order[row, 0]:
      continue
    y, x = 16 * (n // 2), 16 * (n % 2)
    patch = rgb[row, y : y + 16, x : x + 16].reshape(-1)
    patch = (patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + 1e-6)
    total, num = total + ((predicted[row, n] - patch) ** 2).mean(), num + 1
  np.testing.assert_allclose(loss, total / num, rtol=1e-5)
  assert count == num * 768


def test_a_modality_that_no_row_has_is_an_absent_task():
  params, _ = made()
  batch = batch_of(4)
  batch["has_depth"][:] = batch["has_semseg"][:] = False
  losses, counts = losses_of()(params, batch, KEY)
  assert (np.asarray(counts) > 0).tolist() == [True] * 3 + [False, True, False]
  assert np.isfinite(losses).all()


def test_a_row_counts_for_what_it_has_alone():
  """Mixed rows give the sums of the rows that have the modality."""
  params, _ = made(("rgb",), ("rgb", "depth"), 1)
  run = losses_of(("rgb",), ("rgb", "depth"), 1)
  batch = batch_of(4)
  batch["has_depth"][2:] = False
  losses, counts = run(params, batch, KEY)
  junk = {name: value.copy() for name, value in batch.items()}
  junk["depth"][2:] = np.nan
  again, _ = run(params, junk, KEY)
  np.testing.assert_array_equal(losses, again)
  full, full_counts = run(params, batch_of(4), KEY)
  assert counts[0] == full_counts[0]
  assert counts[1] < full_counts[1]
  assert losses[1] != full[1]


def test_an_empty_row_changes_nothing():
  params, _ = made()
  batch = batch_of(3)
  filled = jax.tree.map(
    lambda x: np.concatenate([x, np.zeros_like(x[:1])]), batch
  )
  for got, expected in zip(
    losses_of()(params, filled, KEY), losses_of()(params, batch, KEY)
  ):
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.ci
def test_eight_devices_equal_one_and_need_all_reduce_alone():
  params, suite = made()
  batch = batch_of(16)

  def loss(params, batch):
    losses, counts = suite.per_task_losses(params, batch, KEY)
    return losses.sum(), (losses, counts)

  def run(devices):
    mesh = sharding.make_mesh(devices=devices)
    function = jax.jit(
      jax.value_and_grad(loss, has_aux=True),
      in_shardings=(sharding.replicated(mesh), sharding.batch_sharding(mesh)),
      out_shardings=sharding.replicated(mesh),
    )
    return function.lower(params, batch).compile().as_text(), function(
      params, batch
    )

  _, expected = run(jax.devices()[:1])
  text, got = run(jax.devices())
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
    got,
    expected,
  )
  for name in ("all-gather", "all-to-all", "collective-permute"):
    assert f" {name}(" not in text
    assert f" {name}-start(" not in text


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"inputs": ()}, "inputs must be modalities, each once"),
    ({"inputs": ("rgb", "rgb")}, "each once, got 'rgb, rgb'"),
    ({"task_names": ()}, "outputs must be modalities"),
    ({"task_names": ("rbg",)}, "unknown modality rbg; legal: rgb, hog"),
    ({"patch": 12}, "multiple of 8 that divides the image size 32, got 12"),
    ({"image_size": 40}, "divides the image size 40, got 16"),
    ({"num_visible": 0}, r"num_visible must be in \[1, 3\]"),
    ({"num_visible": 4}, r"\[1, 3\] \(an input has 4 patches\), got 4"),
    ({"concentration": 0.0}, r"concentration must be in \(0, inf\), got 0.0"),
  ],
)
def test_bad_arguments_are_named(changes, message):
  _, suite = made()
  with pytest.raises(InputError, match=message):
    dataclasses.replace(suite, **changes)
