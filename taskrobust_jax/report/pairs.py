"""Paired tests of methods against the first one, and how they are told."""

from collections.abc import Sequence
import itertools
from typing import NamedTuple

import numpy as np

from taskrobust_jax.report import statistics
from taskrobust_jax.report.tables import Table

WORST, MEAN = "worst task", "mean"


class PairedTest(NamedTuple):
  """A method against the first one, over pairs of equal seeds.

  Attributes:
    method: Its name.
    of: What is compared: a task's name, `WORST` or `MEAN`.
    difference: Mean over pairs, the method minus the first; NaN without any.
    num_pairs: Pairs of equal seeds.
    num_units: What the test counts: pre-training seeds, whose pairs are
      averaged; pairs if there is one such seed.
    p_value: Of the paired t-test.
    corrected: By Holm, over all tests made together.
  """

  method: str
  of: str
  difference: float
  num_pairs: int
  num_units: int
  p_value: float
  corrected: float = float("nan")


def test_of(
  method: str, of: str, differences: np.ndarray, num_pairs: int
) -> PairedTest:
  """The test of differences, [n] of them, not yet corrected."""
  mean = float(differences.mean()) if len(differences) else float("nan")
  p_value = statistics.paired_p_value(differences)
  return PairedTest(method, of, mean, num_pairs, len(differences), p_value)


def corrected(tests: Sequence[PairedTest]) -> list[PairedTest]:
  """The same, with Holm's correction for all of them."""
  p_values = statistics.holm([test.p_value for test in tests])
  return [
    test._replace(corrected=float(p))
    for test, p in zip(tests, p_values, strict=True)
  ]


def table(first: str, tests: Sequence[PairedTest]) -> Table:
  """A row a test."""
  rows = [
    [
      f"{test.method}: {test.of}",
      _number(test.difference, "+.3f"),
      str(test.num_pairs),
      str(test.num_units),
      _number(test.p_value, ".3f"),
      _number(test.corrected, ".3f"),
      _verdict(test),
    ]
    for test in tests
  ]
  return Table(
    f"Differences from {first}, over pairs of equal seeds",
    ["method: of", "difference", "pairs", "n", "p", "p after Holm", "verdict"],
    rows,
  )


def findings(first: str, tests: Sequence[PairedTest]) -> list[str]:
  """The answer in words: a line a method."""
  lines = []
  for name, group in itertools.groupby(tests, key=lambda test: test.method):
    rows = list(group)
    told = [_finding(test) for test in rows if test.of in (WORST, MEAN)]
    single = [
      f"{test.of} {test.difference:+.3f}"
      for test in rows
      if test.of not in (WORST, MEAN) and test.corrected < 0.05
    ]
    tail = f" Single tasks that differ: {', '.join(single)}." if single else ""
    lines.append(f"{name} against {first}: {'; '.join(told)}.{tail}")
  return lines


def _verdict(test: PairedTest) -> str:
  if np.isnan(test.corrected):
    return "not tested"
  if test.corrected >= 0.05:
    return "no difference found"
  return "higher" if test.difference > 0 else "lower"


def _finding(test: PairedTest) -> str:
  if np.isnan(test.corrected):
    why = "too few pairs" if test.num_units < 2 else "all pairs differ alike"
    return f"{test.of} not tested ({why})"
  p = test.corrected
  p = "< 0.001" if p < 0.001 else f"= {p:.3f}"
  return f"{test.of} {test.difference:+.3f}, {_verdict(test)} (p {p})"


def _number(value: float, form: str) -> str:
  return "-" if np.isnan(value) else f"{value:{form}}"
