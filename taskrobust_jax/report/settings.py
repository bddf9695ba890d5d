"""Settings as flat names, and those in which runs differ."""

from collections.abc import Mapping, Sequence
import json
from typing import Any


def flat(value: Any, name: str = "") -> dict[str, str]:
  """Nested JSON objects as one of dotted names and printed values.

  >>> flat({"model": {"width": 64}, "inputs": ["rgb"]})
  {'model.width': '64', 'inputs': '["rgb"]'}
  """
  if not isinstance(value, Mapping) or not value:
    text = value if isinstance(value, str) else json.dumps(value)
    return {name: text}
  return {
    key: text
    for inner in value
    for key, text in flat(
      value[inner], f"{name}.{inner}" if name else inner
    ).items()
  }


def differing(settings: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
  """What is not the same in all.

  Args:
    settings: One mapping a run, from `flat`.

  Returns:
    Name -> the value in each run, "-" where it has none; ascending.
  """
  names = sorted({name for values in settings for name in values})
  rows = {name: [s.get(name, "-") for s in settings] for name in names}
  return {name: row for name, row in rows.items() if len(set(row)) > 1}


def labels(
  names: Sequence[str], settings: Sequence[Mapping[str, str]]
) -> list[str]:
  """Names that tell methods apart.

  Args:
    names: A short name of each, such as its strategy.
    settings: Of each.

  Returns:
    The names; those of several methods are followed by what they differ in.
  """
  result: list[str] = []
  for name, own in zip(names, settings, strict=True):
    alike = [s for n, s in zip(names, settings, strict=True) if n == name]
    parts = [
      f"{key.rpartition('.')[2]}={own[key]:.20}"
      for key in differing(alike)
      if key in own
    ]
    label = " ".join([name, *parts])
    number = sum(other.startswith(label) for other in result)
    result.append(f"{label} ({number + 1})" if label in result else label)
  return result
