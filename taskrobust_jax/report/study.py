"""Scores of fine-tuned models as arrays: replicates by cells, no holes."""

from collections.abc import Mapping, Sequence
import dataclasses
import pathlib
from typing import NamedTuple

import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.report import methods
from taskrobust_jax.report.read import read_json
from taskrobust_jax.report.results import Cell, FineTuning, Result


class Replicate(NamedTuple):
  """One of a method: `pretrained` and `fine_tuned` are its seeds."""

  pretrained: int | None
  fine_tuned: int

  def __str__(self) -> str:
    return f"pre-training seed {self.pretrained}, seed {self.fine_tuned}"


@dataclasses.dataclass(frozen=True)
class Scores:
  """What one method reached.

  Attributes:
    method: It.
    replicates: R of them.
    values: [R, C] scores, higher is better.
    results: [R][C] what they are from.
  """

  method: methods.Method
  replicates: tuple[Replicate, ...]
  values: np.ndarray
  results: tuple[tuple[Result, ...], ...]

  @property
  def groups(self) -> list[int | None]:
    """[R] pre-training seeds."""
    return [replicate.pretrained for replicate in self.replicates]


@dataclasses.dataclass(frozen=True)
class Study:
  """All that is compared.

  Attributes:
    cells: C of them; every replicate of every method has a score in each.
    score_names: [C].
    scores: A method each, in the order given.
    floor: [C] mean score of the random initialisation, or `None`.
    best: [C] best known score.
    best_is_given: [C] whether it is from a file, and not from this study.
    left_out: A line for whatever does not count, with the reason.
  """

  cells: tuple[Cell, ...]
  score_names: tuple[str, ...]
  scores: tuple[Scores, ...]
  floor: np.ndarray | None
  best: np.ndarray
  best_is_given: np.ndarray
  left_out: tuple[str, ...]

  @property
  def can_normalise(self) -> np.ndarray:
    """[C] whether the best known score is above the random one's."""
    if self.floor is None:
      return np.zeros(len(self.cells), bool)
    return self.best > self.floor

  def normalised(self, values: np.ndarray) -> np.ndarray:
    """(score - random init) / (best known - random init).

    Args:
      values: [..., C].

    Returns:
      [..., C'] of the cells that `can_normalise`.
    """
    legal = self.can_normalise
    low, high = self.floor[legal], self.best[legal]
    return (values[..., legal] - low) / (high - low)


def make_study(
  folders: Sequence[FineTuning], best_known: Mapping[str, float] | None = None
) -> Study:
  """Arranges results; what is unfinished or mixed is left out and named.

  Args:
    folders: One or more.
    best_known: Cell name -> score; where it is silent, the highest mean of a
      method.

  Raises:
    InputError: Nothing can be compared.
  """
  left_out = [line for folder in folders for line in folder.left_out]
  kept: list[tuple[methods.Method, dict[Replicate, dict[Cell, Result]]]] = []
  references: dict[Cell, Result] = {}
  for method in methods.of_fine_tunings(folders):
    found: dict[Replicate, dict[Cell, Result]] = {}
    for folder in method.runs:
      for result in folder.results:
        replicate = Replicate(folder.pretrained.get("seed"), result.seed)
        where = f"{folder.path}: {result.cell.name}, seed {result.seed}"
        reference = references.setdefault(result.cell, result)
        cells = found.setdefault(replicate, {})
        if result.cell in cells:
          left_out.append(
            f"{where} is there twice: another folder of {method.name} has the "
            f"same {replicate}"
          )
        elif _measure(result) != _measure(reference):
          left_out.append(
            f"{where} has {_measure(result)}, the first result of this task "
            f"has {_measure(reference)}"
          )
        else:
          cells[result.cell] = result
    if found:
      kept.append((method, found))
    else:
      left_out.append(f"{method.name} has no result")
  cells = _common_cells(kept, left_out)
  scores = []
  for method, found in kept:
    whole = {r: of for r, of in found.items() if all(c in of for c in cells)}
    for replicate in sorted(found.keys() - whole.keys(), key=str):
      missing = [c.name for c in cells if c not in found[replicate]]
      left_out.append(
        f"{method.name}, {replicate}: it lacks {'; '.join(missing)}"
      )
    if whole:
      scores.append(_scores(method, whole, cells))
    else:
      left_out.append(f"{method.name}: none of its seeds has all tasks")
  if not cells or not scores:
    raise InputError(
      "no finished fine-tuning that can be compared"
      + "".join(f"; {line}" for line in left_out[:5])
    )
  means = np.stack([s.values.mean(0) for s in scores])
  at_random = [s.values.mean(0) for s in scores if s.method.is_random]
  best_known = best_known or {}
  names = [cell.name for cell in cells]
  for unknown in sorted(best_known.keys() - set(names)):
    left_out.append(f"the best known score of {unknown!r}: no such task here")
  given = [best_known.get(name) for name in names]
  return Study(
    cells=tuple(cells),
    score_names=tuple(references[cell].score_name for cell in cells),
    scores=tuple(scores),
    floor=np.mean(at_random, axis=0) if at_random else None,
    best=np.array(
      [m if g is None else g for g, m in zip(given, means.max(0), strict=True)]
    ),
    best_is_given=np.array([g is not None for g in given]),
    left_out=tuple(left_out),
  )


def read_best_known(file: str) -> dict[str, float]:
  """Reads `{"CoLA": 0.6, "CoLA, 100 examples": 0.4}`.

  Raises:
    InputError: It is not of this form.
  """
  values = read_json(pathlib.Path(file))
  for name, value in values.items():
    if type(value) not in (int, float) or abs(value) > 1e9:
      raise InputError(
        f"{file}: {name} is {value!r:.40}; it must be a score, a number"
      )
  return {name: float(value) for name, value in values.items()}


def _measure(result: Result) -> str:
  return f"{result.score_name} of {result.num_eval_rows:,} rows"


def _common_cells(kept, left_out: list[str]) -> list[Cell]:
  """The cells that every method has; others are named."""
  of_method = [
    {cell for cells in found.values() for cell in cells} for _, found in kept
  ]
  every = sorted(set().union(*of_method))
  common = [cell for cell in every if all(cell in has for has in of_method)]
  for cell in every:
    if cell not in common:
      lacking = [
        method.name
        for (method, _), has in zip(kept, of_method, strict=True)
        if cell not in has
      ]
      left_out.append(
        f"task {cell.name}: there is no result of {', '.join(lacking)}"
      )
  return common


def _scores(method, whole, cells) -> Scores:
  replicates = sorted(whole, key=lambda r: (str(r.pretrained), r.fine_tuned))
  results = tuple(tuple(whole[r][cell] for cell in cells) for r in replicates)
  values = np.array([[result.score for result in row] for row in results])
  return Scores(method, tuple(replicates), values, results)
