"""Scores of a frozen encoder without any training: the nearest neighbours."""

import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.transfer.features import Features
from taskrobust_jax.transfer.objectives import IGNORED, Classification
from taskrobust_jax.transfer.subsets import Halves
from taskrobust_jax.transfer.task import DownstreamTask

_TEMPERATURE = 0.07


def check_task(task: DownstreamTask) -> None:
  """Raises InputError unless a task is of classes of whole rows."""
  is_of_classes = isinstance(task.objective, Classification)
  if not is_of_classes or task.train.read([0])["label"].ndim != 1:
    raise InputError(
      f"mode neighbours needs classes of whole rows, which {task.name} has not"
    )


def judge(
  task: DownstreamTask,
  train: Features,
  held_out: Features,
  chosen: np.ndarray,
  halves: Halves,
  num_neighbours: int,
) -> dict[str, float]:
  """Classifies rows by their neighbours among the training rows.

    argmax_c sum over the k neighbours x_i of class c of exp(cos(x, x_i) / .07)

  as Wu et al. (2018) and Caron et al., DINO (2021), who take k = 20.

  Args:
    task: One that `check_task` takes.
    train: Features of its training rows, [n, D].
    held_out: Features of its dev set.
    chosen: [m] int64, the training rows to look at.
    halves: Of the dev set.
    num_neighbours: k >= 1; all that there are if they are fewer.

  Returns:
    {"select/<score>": ..., "verdict/<score>": ...}, as `make_judge` has them.

  Raises:
    InputError: If no training row has a label.
  """
  from sklearn.neighbors import KNeighborsClassifier

  known = train.read(chosen)
  known = {name: x[known["label"] != IGNORED] for name, x in known.items()}
  labels = known["label"]
  if not len(labels):
    raise InputError(f"{task.name}: no training row has a label")
  classifier = KNeighborsClassifier(
    min(num_neighbours, len(labels)),
    metric="cosine",
    weights=lambda distances: np.exp((1 - distances) / _TEMPERATURE),
  )
  # It knows no bfloat16.
  classifier.fit(known["features"].astype(np.float32), labels)
  values = {}
  for part, rows in halves._asdict().items():
    if len(rows):
      read = held_out.read(rows)
      seen = classifier.predict(read["features"].astype(np.float32))
      scores = task.objective.scores(seen, read["label"])
      values |= {f"{part}/{name}": score for name, score in scores.items()}
  return values
