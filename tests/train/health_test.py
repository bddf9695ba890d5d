"""What a run watches about itself."""

import json
import math

import pytest

from taskrobust_jax.train.health import (
  WORST_TASK_LOSS,
  CollapseWarning,
  Plateau,
  evaluations,
)

NAMES = ("nouns", "verbs", "rest")


def row(weights, losses=(7.1, 2.0, 4.0)):
  values = {f"train/weight/{n}": q for n, q in zip(NAMES, weights)}
  return values | {f"train/loss/{n}": x for n, x in zip(NAMES, losses)}


COLLAPSED = (0.98, 0.01, 0.01)


def test_a_collapse_is_told_once_and_by_name():
  warning = CollapseWarning(NAMES)
  told = [warning.note(step, row(COLLAPSED)) for step in range(30)]
  assert [text for text in told if text] == [told[9]]
  assert "step 9: the task weights collapsed: nouns has 98% of" in told[9]
  assert "its loss: 7.1; the others': 2 to 4" in told[9]
  assert "signal=excess_over" in told[9]


@pytest.mark.parametrize(
  "weights",
  [
    (1 / 3, 1 / 3, 1 / 3),
    (0.8, 0.1, 0.1),
    (1.5, -0.25, -0.25),  # Not on the simplex: it has no entropy.
    (50.0, 0.1, 0.1),
  ],
)
def test_other_weights_are_no_collapse(weights):
  warning = CollapseWarning(NAMES)
  assert not any(warning.note(step, row(weights)) for step in range(30))


def test_a_collapse_that_passes_is_not_told():
  warning = CollapseWarning(NAMES)
  for step in range(100):
    assert not warning.note(step, row(COLLAPSED if step % 10 else (0.4,) * 3))


def test_one_task_cannot_collapse():
  warning = CollapseWarning(("only",))
  values = {"train/weight/only": 1.0, "train/loss/only": 2.0}
  assert not any(warning.note(step, values) for step in range(30))


def test_an_absent_task_that_holds_the_weight_is_named():
  warning = CollapseWarning(NAMES)
  values = row(COLLAPSED)
  del values["train/loss/nouns"]
  told = [warning.note(step, values) for step in range(10)][-1]
  assert "its loss: absent; the others': 2 to 4" in told


def test_a_plateau_is_so_many_evaluations_without_a_better_one():
  plateau = Plateau(3)
  reached = []
  for loss in (5.0, 4.0, 4.5, 3.9, 3.9, math.nan, None):
    plateau.note({WORST_TASK_LOSS: loss})
    reached.append(plateau.is_reached())
  assert reached == [False] * 6 + [True]


def test_no_patience_is_no_plateau():
  plateau = Plateau(0)
  for _ in range(9):
    plateau.note({WORST_TASK_LOSS: 1.0})
  assert not plateau.is_reached()


def test_evaluations_are_read_up_to_a_step(tmp_path):
  rows = [
    {"step": 0, WORST_TASK_LOSS: 4.0},
    {"step": 5, "train/robust_loss": 1.0},
    {"step": 5, WORST_TASK_LOSS: None},
    {"step": 10, WORST_TASK_LOSS: 3.0},
    {"step": 15, WORST_TASK_LOSS: 2.0},
  ]
  file = tmp_path / "metrics.jsonl"
  file.write_text("".join(json.dumps(row) + "\n" for row in rows))
  assert evaluations(file, 10) == [rows[0], rows[2], rows[3]]
