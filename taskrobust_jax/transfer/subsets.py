"""Which rows are used: few examples drawn by seed, the halves of a dev set."""

from typing import NamedTuple

import numpy as np

# Of the halves of every dev set: the same whatever is judged.
_HALVES_SEED = 0


class Halves(NamedTuple):
  """The rows of a dev set.

  Attributes:
    select: [n] int64, those that choose a step.
    verdict: [m] int64, those that the score is computed from.
  """

  select: np.ndarray
  verdict: np.ndarray


def halves(num_rows: int, select_share: float, max_rows: int = 0) -> Halves:
  """Splits a dev set by a seed that is always the same.

  Args:
    num_rows: Of the dev set.
    select_share: In [0, 1), what part of it selects; if that is more than 0,
      both parts have a row at least.
    max_rows: So many rows are drawn first; 0 for all.
  """
  order = np.random.default_rng(_HALVES_SEED).permutation(num_rows)
  order = order[: max_rows or num_rows]
  count = round(select_share * len(order))
  if select_share and len(order) > 1:
    count = min(max(count, 1), len(order) - 1)
  return Halves(np.sort(order[:count]), np.sort(order[count:]))


def draw(
  num_rows: int, num_examples: int, seed: int, classes: np.ndarray | None
) -> np.ndarray:
  """Draws training rows.

  Args:
    num_rows: That there are.
    num_examples: That are wanted; 0 for all, and so for more than there are.
    seed: Of the draw. More examples of one seed hold the fewer of it.
    classes: [num_rows] int: their shares are kept as well as whole numbers can,
      and no class is left out if there is room. `None` for none.

  Returns:
    [n] int64, ascending.
  """
  if not 0 < num_examples < num_rows:
    return np.arange(num_rows)
  random = np.random.default_rng([seed, num_rows])
  order = random.permutation(num_rows)
  if classes is not None:
    order = order[np.argsort(_places(classes[order]), kind="stable")]
  return np.sort(order[:num_examples])


def _places(classes: np.ndarray) -> np.ndarray:
  """When each row is taken, so that the classes' shares grow evenly.

  The first row of every class comes first; row i of the n of a class then
  comes at i / n.
  """
  places = np.empty(len(classes))
  for value in np.unique(classes):
    rows = np.flatnonzero(classes == value)
    places[rows] = np.arange(len(rows)) / len(rows)
  return places
