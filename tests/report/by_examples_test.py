"""Gains by the number of labelled examples, on made numbers."""

import dataclasses

import pytest

from taskrobust_jax.report import by_examples, evidence
from taskrobust_jax.report.study import make_study
from tests.report import made_lines


def gains_of(lines):
  return by_examples.gains_of(make_study(evidence.as_fine_tunings(lines)))


def test_gains_are_means_over_tasks_of_pairs_at_each_size():
  more = [
    dataclasses.replace(line, num_examples=0)
    for line in made_lines.scores(gain=0.04)
  ]
  # Scored with 64 examples alone: it does not count.
  once = [
    dataclasses.replace(line, task="once", score=line.score + 0.5 * (i % 2))
    for i, line in enumerate(made_lines.scores())
  ]
  found = gains_of([*made_lines.scores(), *more, *once])
  assert found.sizes == [64, 0]
  assert found.tasks == ["tagging", "wnli"]
  few, many = found.of_method["mirror"]
  assert (few.value, many.value) == pytest.approx((0.05, 0.02))
  assert few.low == pytest.approx(0.05)  # Of pairs: their noise is the same.
  assert found.sentence() == (
    "With 64 and all examples the mean over tagging, wnli changes by: mirror "
    "+0.050 [+0.050, +0.050], +0.020 [+0.020, +0.020]. With the fewest the "
    "change is better than with the most for 1 of 1 methods."
  )


def test_one_size_or_one_method_has_no_gains():
  assert gains_of(made_lines.scores()) is None
  lines = [line for line in made_lines.scores() if line.method != "mirror"]
  more = [dataclasses.replace(line, num_examples=9) for line in lines]
  assert gains_of([*lines, *more]) is None
