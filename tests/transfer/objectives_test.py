"""Losses and scores of downstream tasks, by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.transfer import objectives


def test_classification_losses_by_hand():
  logits = jnp.log(jnp.array([[0.75, 0.25], [0.5, 0.5]]))
  sums, counts = objectives.Classification().losses(
    logits, {"label": jnp.array([0, 1])}
  )
  np.testing.assert_allclose(sums, -np.log([0.75, 0.5]), rtol=1e-6)
  assert counts.tolist() == [1, 1]


def test_ignored_places_have_no_loss_and_no_score():
  logits = jnp.zeros((2, 3, 4)).at[..., 2].set(1.0)
  labels = np.array([[2, -1, 0], [-1, -1, 2]])
  task = objectives.Classification()
  sums, counts = task.losses(logits, {"label": jnp.array(labels)})
  assert counts.tolist() == [2, 1]
  right = np.log(np.e + 3) - 1
  np.testing.assert_allclose(sums, [2 * right + 1, right], rtol=1e-6)
  kept = task.keep(logits, {"label": jnp.array(labels)})
  assert task.scores(*map(np.asarray, kept)) == {"accuracy": 2 / 3}


def test_scores_of_two_classes_by_hand():
  labels = np.array([1, 1, 1, 0, 0, 0, 0, 0])
  seen = np.array([1, 1, 0, 1, 0, 0, 0, 0])
  task = objectives.Classification(("f1", "accuracy"))
  values = task.scores(seen, labels)
  # Precision and recall are 2/3.
  np.testing.assert_allclose(values["f1"], 2 / 3)
  assert values["accuracy"] == 0.75
  assert task.score_name == "f1_accuracy"
  np.testing.assert_allclose(values["f1_accuracy"], (2 / 3 + 0.75) / 2)
  found = objectives.Classification(("matthews",)).scores(seen, labels)
  # (2 * 4 - 1 * 1) / sqrt(3 * 3 * 5 * 5)
  np.testing.assert_allclose(found["matthews"], 7 / 15)


def test_one_class_alone_scores_nothing():
  labels, seen = np.array([1, 0, 1]), np.zeros(3, int)
  task = objectives.Classification(("matthews", "f1"))
  assert set(task.scores(seen, labels).values()) == {0.0}


def test_regression_is_of_standardised_labels():
  task = objectives.Regression(2.5, 0.5)
  outputs = jnp.array([[0.0], [1.0]])
  rows = {"label": jnp.array([2.0, 3.0])}
  sums, counts = task.losses(outputs, rows)
  assert sums.tolist() == [1.0, 0.0]
  assert counts.tolist() == [1, 1]
  assert task.keep(outputs, rows)[0].tolist() == [2.5, 3.0]


def test_correlations_by_hand():
  labels = np.array([1.0, 2.0, 3.0, 4.0])
  values = objectives.Regression(0, 1).scores(labels**3, labels)
  np.testing.assert_allclose(values["spearman"], 1.0)
  assert values["pearson_spearman"] < 1.0
  np.testing.assert_allclose(
    values["pearson"], np.corrcoef(labels, labels**3)[0, 1]
  )


@pytest.mark.parametrize("seen", [np.ones(3), np.zeros(3)])
def test_a_correlation_with_a_constant_is_nothing(seen):
  found = objectives.Regression(0, 1).scores(seen, np.array([1.0, 2.0, 3.0]))
  assert set(found.values()) == {0.0}
