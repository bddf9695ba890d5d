"""Labelled texts: one or two texts a row, and a class or a number.

Every source says where a row is from, so that a wrong label is named by its
file and line.
"""

from collections.abc import Iterable, Iterator, Sequence
import dataclasses
import math
import os

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.text.lines import read_lines


@dataclasses.dataclass(frozen=True)
class Labelled:
  """The rows of a split.

  Attributes:
    name: the file or the dataset, for messages.
    first: n texts.
    second: n texts that make pairs with the first, or None.
    labels: int32 [n], classes, or float32 [n], numbers.
  """

  name: str
  first: tuple[str, ...]
  second: tuple[str, ...] | None
  labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Columns:
  """Where texts and labels stand.

  Attributes:
    first: the column of the first text: its name, or its place from 0 (from the
      end if negative) in a table without a header.
    second: that of the second text, or None.
    label: that of the label.
    classes: the labels in the order of their numbers; empty for numbers.
    low: the least legal number.
    high: the largest.
  """

  first: str | int
  second: str | int | None
  label: str | int
  classes: tuple[str, ...] = ()
  low: float = -math.inf
  high: float = math.inf


# Where it is from, (first, second or None), the label as it stands there.
Row = tuple[str, tuple[str, str | None], str]


def read_tsv(
  file: str, columns: Columns, skips_short: bool = False
) -> Labelled:
  """Reads a table whose cells are separated by tabs.

  A line is a row and a quotation mark is a character, in all tables: in some a
  text begins with one that nothing closes.

  Args:
    file: its path; .gz and .xz are unpacked.
    columns: numbers mean that it has no header.
    skips_short: whether a row with fewer cells is passed over, not an error.

  Raises:
    InputError: a missing column or cell, a label outside the set, a split that
      is empty or has no labels; file and line are named.
  """
  return collect(file, columns, _rows_of(file, columns, skips_short))


def find_file(folder: str, name: str) -> str:
  """The path of a file, plain or with .gz or .xz.

  Raises:
    InputError: there is none.
  """
  place = os.path.join(os.path.expanduser(folder), name)
  for end in ("", ".gz", ".xz"):
    if os.path.isfile(place + end):
      return place + end
  raise errors.InputError(f"{place}: is no file, nor is it with .gz or .xz")


def collect(name: str, columns: Columns, rows: Iterable[Row]) -> Labelled:
  """Makes a split of rows.

  Raises:
    InputError: a label outside the set, no row, no labels.
  """
  first, second, labels = [], [], []
  numbers = {label: number for number, label in enumerate(columns.classes)}
  for place, texts, label in rows:
    if label in numbers:
      value = numbers[label]
    elif not numbers and _is_between(label, columns.low, columns.high):
      value = float(label)
    else:
      legal = (
        f"one of {', '.join(numbers)}"
        if numbers
        else (f"a number from {columns.low:g} to {columns.high:g}")
      )
      problem = (
        "is -1: this split has no labels" if label == "-1" else f"is {label!r}"
      )
      raise errors.InputError(
        f"{place}: the label {problem}; it must be {legal}"
      )
    first.append(texts[0])
    second.append(texts[1])
    labels.append(value)
  if not labels:
    raise errors.InputError(f"{name}: has no rows")
  return Labelled(
    name,
    tuple(first),
    tuple(second) if columns.second is not None else None,
    np.array(labels, np.int32 if numbers else np.float32),
  )


def _is_between(text: str, low: float, high: float) -> bool:
  try:
    number = float(text)
  except ValueError:
    return False
  return math.isfinite(number) and low <= number <= high


def _rows_of(file: str, columns: Columns, skips_short: bool) -> Iterator[Row]:
  lines = enumerate(read_lines(file), 1)
  has_header = isinstance(columns.first, str)
  header: list[str] = []
  if has_header:
    header = next(lines, (1, ""))[1].split("\t")
  wanted = [columns.first, columns.second, columns.label]
  places = [
    _place(file, header, name) if isinstance(name, str) else name
    for name in wanted
  ]
  for number, line in lines:
    if not line:
      continue
    cells = line.split("\t")
    if has_header and len(cells) < len(header):
      if skips_short:
        continue
      raise errors.InputError(
        f"{file}:{number}: {len(cells)} cells between tabs; the header has "
        f"{len(header)}"
      )
    try:
      first, second, label = (
        None if place is None else cells[place] for place in places
      )
    except IndexError as error:
      raise errors.InputError(
        f"{file}:{number}: {len(cells)} cells between tabs; columns "
        f"{', '.join(str(x) for x in places if x is not None)} are read, "
        "counted from 0"
      ) from error
    yield f"{file}:{number}", (first, second), label.strip()


def _place(file: str, header: Sequence[str], name: str) -> int:
  if name not in header:
    raise errors.InputError(
      f"{file}:1: has no column {name!r}; it has "
      f"{', '.join(map(repr, header[:20]))} (a test split without labels has "
      "no column for them)"
    )
  return header.index(name)
