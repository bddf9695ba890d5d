"""Losses and scores of pictures, by hand and against NumPy."""

import jax
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.transfer import image_objectives


def kept(objective, outputs, labels):
  keep = jax.jit(objective.keep)
  return [np.asarray(x) for x in keep(outputs, {"label": labels})]


def losses(objective, outputs, **rows):
  return jax.jit(objective.losses)(outputs, rows)


def test_mean_iou_by_hand():
  labels = np.array([[[0, 0], [1, 1]], [[1, -1], [0, 0]]])
  seen = np.array([[[0, 1], [1, 1]], [[1, 2], [0, 1]]])
  task = image_objectives.Segmentation(num_classes=4)
  outputs = np.eye(4, dtype=np.float32)[seen]
  (counts,) = kept(task, outputs, labels)
  assert counts.shape == (2, 3, 4)
  values = task.scores(counts)
  # Class 0: 2 of 4 in the union; class 1: 3 of 5. What was seen where there is
  # no label counts for nothing, and so there is no class 2, nor a class 3.
  np.testing.assert_allclose(values["miou"], (2 / 4 + 3 / 5) / 2)
  np.testing.assert_allclose(values["pixel_accuracy"], 5 / 7)
  assert task.score_name == "miou"
  # Over the split, and not the mean over pictures.
  alone = [task.scores(counts[i : i + 1])["miou"] for i in range(2)]
  assert abs(np.mean(alone) - values["miou"]) > 0.005


def test_a_class_that_is_predicted_alone_counts():
  task = image_objectives.Segmentation(num_classes=3)
  seen = np.array([[[0, 2]]])
  (counts,) = kept(task, np.eye(3)[seen], np.array([[[0, 0]]]))
  assert task.scores(counts)["miou"] == 0.25  # A half, and none of class 2.


def test_segmentation_has_no_loss_where_there_is_no_label():
  task = image_objectives.Segmentation(num_classes=5)
  label = np.array([[[0, -1], [-1, 4]]])
  sums, counts = losses(task, np.zeros((1, 2, 2, 5)), label=label)
  np.testing.assert_allclose(sums, 2 * np.log(5), rtol=1e-6)
  assert counts.tolist() == [2]


def test_depth_scores_by_hand():
  task = image_objectives.Depth(mean=2.0, deviation=0.5)
  labels = np.array([[[1.0, 2.0], [4.0, np.nan]]], np.float32)
  # Predictions 1.25, 2.4, 5 and -6, which is taken to be a millimetre.
  outputs = (np.array([[[1.25, 2.4], [5.0, -6.0]]], np.float32) - 2) / 0.5
  sums = kept(task, outputs[..., None], labels)
  values = task.scores(*sums)
  assert values["d1"] == pytest.approx(1 / 3)  # Only 2.4 / 2 is below 1.25.
  rmse = np.sqrt((0.25**2 + 0.4**2 + 1) / 3)
  np.testing.assert_allclose(values["rmse"], rmse, rtol=1e-5)
  relative = (0.25 + 0.2 + 0.25) / 3
  np.testing.assert_allclose(values["abs_rel"], relative, rtol=1e-5)
  labels[0, 1, 1] = 1.0
  worse = task.scores(*kept(task, outputs[..., None], labels))
  np.testing.assert_allclose(worse["abs_rel"], (0.7 + 0.999) / 4, rtol=1e-4)


def test_berhu_is_that_of_numpy():
  random = np.random.default_rng(0)
  labels = random.uniform(1, 5, (2, 4, 3)).astype(np.float32)
  labels[0, 0], labels[1, 2, 1] = np.nan, np.nan
  outputs = random.normal(size=(2, 4, 3, 1)).astype(np.float32)
  task = image_objectives.Depth(mean=3.0, deviation=2.0)
  sums, counts = losses(task, outputs, label=labels)
  for i in range(2):
    error = np.abs(outputs[i, ..., 0] - (labels[i] - 3) / 2)
    error = error[np.isfinite(labels[i])]
    c = error.max() / 5
    far = (error**2 + c**2) / (2 * c)
    assert (error <= c).any()
    expected = np.where(error <= c, error, far).sum()
    np.testing.assert_allclose(sums[i], expected, rtol=1e-5)
    assert counts[i] == error.size


def turned(degrees):
  """[..., 3] unit vectors in the plane of x and z, away from z."""
  angle = np.deg2rad(np.asarray(degrees, np.float32))
  return np.stack([np.sin(angle), 0 * angle, np.cos(angle)], -1)


def test_scores_of_normals_by_hand():
  task = image_objectives.Normals()
  labels = turned([[[0, 10], [-90, 45]]])
  labels[0, 1, 1] = np.nan
  # Off by 11, 20 and 180 degrees; their lengths do not matter.
  outputs = turned([[[11, 30], [90, 0]]]) * [[[[0.1], [9]], [[1], [1]]]]
  sums, counts = losses(task, outputs, label=labels)
  off = np.cos(np.deg2rad([11, 20, 180]))
  np.testing.assert_allclose(sums, [(1 - off).sum()], rtol=1e-5)
  assert counts.tolist() == [3]
  values = task.scores(*kept(task, outputs, labels))
  assert values == {
    "within_11_25": pytest.approx(1 / 3),
    "within_22_5": pytest.approx(2 / 3),
    "within_30": pytest.approx(2 / 3),
    "mean_angle": pytest.approx(211 / 3, rel=1e-4),
  }
  assert task.score_name in values


def test_the_loss_of_normals_pulls_toward_the_truth_even_from_nothing():
  task = image_objectives.Normals()
  labels = turned([[[20.0, np.nan]]])
  for start in (np.zeros((1, 1, 2, 3)), np.ones((1, 1, 2, 3))):
    outputs = jax.numpy.asarray(start, np.float32)
    loss = jax.jit(lambda x: task.losses(x, {"label": labels})[0].sum())
    gradient = jax.grad(loss)(outputs)
    assert np.isfinite(gradient).all()
    assert (gradient[0, 0, 1] == 0).all()
    step = 1e-7 if not start.any() else 0.1
    assert loss(outputs - step * gradient) < loss(outputs)


def test_a_picture_without_depth_has_no_loss_and_nothing_judges_it():
  task = image_objectives.Depth(1.0, 1.0)
  labels = np.full((1, 2, 2), np.nan, np.float32)
  sums, counts = losses(task, np.ones((1, 2, 2, 1)), label=labels)
  assert (sums.tolist(), counts.tolist()) == ([0], [0])
  for objective, outputs, label in (
    (task, np.ones((1, 2, 2, 1)), labels),
    (
      image_objectives.Normals(),
      np.ones((1, 2, 2, 3)),
      np.full((1, 2, 2, 3), np.nan),
    ),
    (
      image_objectives.Segmentation(num_classes=2),
      np.ones((1, 2, 2, 2)),
      np.full((1, 2, 2), -1),
    ),
  ):
    with pytest.raises(InputError, match="there is nothing to judge by"):
      objective.scores(*kept(objective, outputs, label))


def test_a_mixed_picture_has_the_loss_of_both_labels():
  sums, counts = losses(
    image_objectives.MixedClassification(),
    np.log([[0.75, 0.25], [0.5, 0.5]]),
    label=np.array([0, -1]),
    other_label=np.array([1, 0]),
    share=np.array([0.75, 0.75]),
  )
  first = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
  np.testing.assert_allclose(sums, [first, 0.25 * np.log(2)], rtol=1e-5)
  np.testing.assert_allclose(counts, [1, 0.25])
