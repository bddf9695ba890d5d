"""Reference losses: what a task's loss was at each step of another run.

A JSON file made by `calibrate`. The excess of a loss over its reference at the
same step is what tasks can be compared by; losses themselves are not.
"""

from collections.abc import Mapping, Sequence
import hashlib
import itertools
import json
import pathlib
from typing import Any, NamedTuple

import numpy as np

from taskrobust_jax import files
from taskrobust_jax.errors import InputError

# Of the batches that trained, and of held-out rows.
CURVES = ("train", "held_out")
_LARGEST_FILE = 2**24


class Curve(NamedTuple):
  """Losses of K tasks over steps.

  Attributes:
    steps: [S] int, increasing.
    losses: [S, K] float, finite.
  """

  steps: tuple[int, ...]
  losses: tuple[tuple[float, ...], ...]


class References(NamedTuple):
  """A file of references.

  Attributes:
    made_from: What must be equal for a run to be compared with them.
    curves: "train" and "held_out" -> `Curve`.
    shares: [K], of all targets; () where it was not measured.
    cosines: [K, K], of the tasks' gradients; () where it was not measured.
    digest: sha256 of the file.
  """

  made_from: dict[str, Any]
  curves: dict[str, Curve]
  shares: tuple[float, ...] = ()
  cosines: tuple[tuple[float, ...], ...] = ()
  digest: str = ""


def made_from(
  config: Mapping[str, Any], tokenizer: str, task_names: Sequence[str]
) -> dict[str, Any]:
  """What the losses of a run can only be compared under.

  Args:
    config: Of the run; its `model`, `tasks` and `data.tagger`.
    tokenizer: Its digest.
    task_names: K names.

  Returns:
    JSON values.
  """
  # How the same losses are computed may differ, and on how many rows.
  fast = ("dtype", "remat", "unroll")
  budget = ("budget", "min_rows")
  model = {k: v for k, v in config["model"].items() if k not in fast}
  values = {
    "model": model,
    "tasks": {k: v for k, v in config["tasks"].items() if k not in budget},
    "task_names": list(task_names),
    "tagger": config["data"].get("tagger"),
    "tokenizer": tokenizer,
  }
  return json.loads(json.dumps(values))


def write(path: pathlib.Path, references: References) -> None:
  """Writes a file, whole or not at all.

  Raises:
    InputError: If it cannot be written.
  """
  content = {
    "made_from": references.made_from,
    "curves": {
      name: curve._asdict() for name, curve in references.curves.items()
    },
    "shares": references.shares,
    "cosines": references.cosines,
  }
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_object(path, content)
  except OSError as error:
    raise InputError(f"references {path} cannot be written: {error}") from error


def read(path: pathlib.Path) -> References:
  """Reads a file.

  Raises:
    InputError: If it is not one, whatever it holds.
  """
  try:
    if path.stat().st_size > _LARGEST_FILE:
      raise ValueError(f"it is larger than {_LARGEST_FILE} bytes")
    text = path.read_bytes()
    content = json.loads(text)
    num_tasks = len(content["made_from"]["task_names"])
    curves = {
      name: _curve(name, content["curves"][name], num_tasks) for name in CURVES
    }
    return References(
      content["made_from"],
      curves,
      _finite("shares", content["shares"], (num_tasks,)),
      _finite("cosines", content["cosines"], (num_tasks, num_tasks)),
      hashlib.sha256(text).hexdigest(),
    )
  except (
    *(OSError, ValueError, KeyError, TypeError),
    *(OverflowError, RecursionError),
  ) as error:
    problem = f"it has no {error}" if isinstance(error, KeyError) else error
    raise InputError(f"references {path} cannot be read: {problem}") from error


def _finite(name, values, shape) -> tuple:
  """Checked numbers of a shape, or () for none."""
  if values == []:
    return ()
  table = np.asarray(values, np.float64)
  if table.shape != shape or not np.isfinite(table).all():
    size = " x ".join(map(str, shape))
    raise ValueError(f"{name} must be {size} finite numbers")
  if table.ndim == 1:
    return tuple(table.tolist())
  return tuple(map(tuple, table.tolist()))


def _curve(name, values, num_tasks) -> Curve:
  steps, losses = values["steps"], values["losses"]
  if not steps or not all(type(step) is int for step in steps):
    raise ValueError(f"the steps of {name} must be whole numbers")
  if min(steps) < 0 or any(b <= a for a, b in itertools.pairwise(steps)):
    raise ValueError(f"the steps of {name} must increase from 0 or more")
  found = _finite(f"the losses of {name}", losses, (len(steps), num_tasks))
  return Curve(tuple(steps), found)
