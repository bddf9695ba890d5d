"""Arrays of public weight files by our paths, and the way back."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from taskrobust_jax.errors import InputError


class Rule(NamedTuple):
  """Where an array of ours stands in a public file.

  Attributes:
    ours: Its path, joined with "/".
    theirs: Its name; "{}" stands for a layer, which is an axis of ours.
    is_linear: Whether theirs is [out, in], of a PyTorch linear layer.
  """

  ours: str
  theirs: str
  is_linear: bool = False


def dense(ours: str, theirs: str) -> list[Rule]:
  """The two arrays of a linear layer."""
  return [
    Rule(f"{ours}/kernel", f"{theirs}.weight", True),
    Rule(f"{ours}/bias", f"{theirs}.bias"),
  ]


def norm(ours: str, theirs: str) -> list[Rule]:
  """The two arrays of a layer norm."""
  return [
    Rule(f"{ours}/scale", f"{theirs}.weight"),
    Rule(f"{ours}/bias", f"{theirs}.bias"),
  ]


def to_ours(
  rules: Sequence[Rule],
  arrays: Mapping[str, np.ndarray],
  shapes: Mapping[str, tuple[int, ...]],
  file: object,
) -> tuple[dict[str, np.ndarray], list[str]]:
  """Takes what the rules name.

  Args:
    rules: Each path once.
    arrays: Theirs.
    shapes: Path -> the shape that our model has.
    file: For messages.

  Returns:
    (path -> f32 array, names that no rule took).

  Raises:
    InputError: One is absent, of another size, or holds no numbers of reals.
  """
  taken = set()

  def take(rule, name, shape):
    if name not in arrays:
      raise InputError(f"{file} lacks the array {name}")
    taken.add(name)
    array = arrays[name]
    expected = shape[::-1] if rule.is_linear else shape
    if array.shape != expected:
      raise InputError(
        f"{file}: {name} is {list(array.shape)}; a model of this size has "
        f"{list(expected)}"
      )
    if array.dtype.name not in ("float32", "float16", "bfloat16"):
      raise InputError(
        f"{file}: {name} is of {array.dtype}; it must be of float32, float16 "
        "or bfloat16"
      )
    array = array.astype(np.float32)
    return array.T if rule.is_linear else array

  found = {}
  for rule in rules:
    shape = tuple(shapes[rule.ours])
    if "{}" in rule.theirs:
      parts = [
        take(rule, rule.theirs.format(layer), shape[1:])
        for layer in range(shape[0])
      ]
      found[rule.ours] = np.stack(parts)
    else:
      found[rule.ours] = take(rule, rule.theirs, shape)
  return found, sorted(set(arrays) - taken)


def to_theirs(
  rules: Sequence[Rule], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
  """The inverse: their names -> f32 arrays."""
  found = {}
  for rule in rules:
    array = arrays[rule.ours]
    layers = array if "{}" in rule.theirs else [array]
    for layer, value in enumerate(layers):
      value = value.T if rule.is_linear else value
      found[rule.theirs.format(layer)] = np.ascontiguousarray(value)
  return found


def refuse_unknown(names: Sequence[str], file: object) -> None:
  """Raises InputError if names are left that nobody knows."""
  if names:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    raise InputError(
      f"{file} holds arrays that this model has no place for: "
      f"{', '.join(names[:5])}{more}"
    )


def setting(config: Mapping, name: str, legal: tuple, file: object, default):
  """A value of a config.json that must be one of a few.

  Raises:
    InputError: It is another one.
  """
  value = config.get(name, default)
  if not any(
    value is x or (value == x and type(value) is type(x)) for x in legal
  ):
    raise InputError(
      f"{file}: {name} is {value!r:.40}; this model has "
      f"{' or '.join(map(repr, legal))}"
    )
  return value


def number(config: Mapping, name: str, file: object, default=None):
  """A positive number of a config.json.

  Raises:
    InputError: It is absent or no such number.
  """
  value = config.get(name, default)
  if type(value) not in (int, float) or not 0 < value < 2**31:
    raise InputError(
      f"{file}: {name} is {value!r:.40}; it must be a number above 0"
    )
  return value
