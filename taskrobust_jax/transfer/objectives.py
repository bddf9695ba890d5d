"""Objectives: what a downstream task is trained with and judged by."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import stats
from sklearn import metrics

from taskrobust_jax.transfer.task import Arrays

IGNORED = -1  # The label of what is no target: padding, an unknown class.

CLASS_SCORES = {
  "accuracy": metrics.accuracy_score,
  "f1": lambda labels, seen: metrics.f1_score(labels, seen, zero_division=0.0),
  "matthews": metrics.matthews_corrcoef,
}
NUMBER_SCORES = {
  "pearson": lambda labels, seen: stats.pearsonr(labels, seen).statistic,
  "spearman": lambda labels, seen: stats.spearmanr(labels, seen).statistic,
}


@dataclasses.dataclass(frozen=True)
class Classification:
  """Cross-entropy, of whole rows or of each place in a row.

  Rows have "label", int32 [B] or [B, ...]: a class in [0, C) or `IGNORED`.
  Outputs are logits [B, C] or [B, ..., C].

  Attributes:
    score_names: Of `CLASS_SCORES`, f1 being that of class 1 among two. With
      several the primary score is their mean, as in GLUE.
  """

  score_names: tuple[str, ...] = ("accuracy",)

  @property
  def score_name(self) -> str:
    return "_".join(self.score_names)

  def losses(
    self, outputs: jax.Array, rows: Arrays
  ) -> tuple[jax.Array, jax.Array]:
    labels = rows["label"]
    is_target = labels != IGNORED
    losses = optax.softmax_cross_entropy_with_integer_labels(
      outputs, jnp.maximum(labels, 0)
    )
    axes = tuple(range(1, labels.ndim))
    return (
      jnp.where(is_target, losses, 0.0).sum(axes),
      is_target.sum(axes, dtype=jnp.float32),
    )

  def keep(
    self, outputs: jax.Array, rows: Arrays
  ) -> tuple[jax.Array, jax.Array]:
    """(predictions, labels)."""
    return outputs.argmax(-1).astype(jnp.int32), rows["label"]

  def scores(
    self, predictions: np.ndarray, labels: np.ndarray
  ) -> dict[str, float]:
    is_target = labels != IGNORED
    labels, predictions = labels[is_target], predictions[is_target]
    values = {
      name: float(CLASS_SCORES[name](labels, predictions))
      for name in self.score_names
    }
    return _with_mean(self.score_name, values)


@dataclasses.dataclass(frozen=True)
class Regression:
  """Squared error of one number a row.

  Rows have "label", f32 [B]. Outputs are [B, 1]. Labels are standardised for
  the loss: a head begins near 0.

  Attributes:
    mean: Of the training labels.
    deviation: Of the training labels, > 0.
    score_names: Of `NUMBER_SCORES`; with several the primary score is their
      mean. A correlation with predictions that are all equal counts as 0.
  """

  mean: float
  deviation: float
  score_names: tuple[str, ...] = ("pearson", "spearman")

  @property
  def score_name(self) -> str:
    return "_".join(self.score_names)

  def losses(
    self, outputs: jax.Array, rows: Arrays
  ) -> tuple[jax.Array, jax.Array]:
    wanted = (rows["label"] - self.mean) / self.deviation
    return (outputs[:, 0] - wanted) ** 2, jnp.ones_like(wanted)

  def keep(
    self, outputs: jax.Array, rows: Arrays
  ) -> tuple[jax.Array, jax.Array]:
    """(predictions, labels)."""
    return outputs[:, 0] * self.deviation + self.mean, rows["label"]

  def scores(
    self, predictions: np.ndarray, labels: np.ndarray
  ) -> dict[str, float]:
    values = {}
    for name in self.score_names:
      is_constant = np.ptp(predictions) == 0 or np.ptp(labels) == 0
      value = 0.0 if is_constant else NUMBER_SCORES[name](labels, predictions)
      values[name] = float(value) if math.isfinite(value) else 0.0
    return _with_mean(self.score_name, values)


def _with_mean(name: str, values: dict[str, float]) -> dict[str, float]:
  if name in values:
    return values
  return {name: float(np.mean(list(values.values()))), **values}
