"""A run folder as arrays: `manifest.json` and `metrics.jsonl`, nothing else."""

from collections.abc import Mapping, Sequence
import dataclasses
import json
import pathlib
from typing import Any

import numpy as np

from taskrobust_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Run:
  """What one run logged.

  Attributes:
    name: what tables and figures call it: the folder's name, with as many
      parent folders as tell it from the other runs.
    path: the run folder.
    task_names: the K tasks, in the order of the run's arrays.
    manifest: `manifest.json` as read.
    metrics: metric key -> (steps, values), see `series`.
  """

  name: str
  path: pathlib.Path
  task_names: tuple[str, ...]
  manifest: Mapping[str, Any]
  metrics: Mapping[str, tuple[np.ndarray, np.ndarray]]

  def series(self, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the logged (steps, values) of a metric, e.g. `eval/loss/nouns`.

    Args:
      key: a key of `metrics.jsonl`.

    Returns:
      Two float64 arrays of one length. A null (non-finite) value is NaN; a key
      that was never logged gives two empty arrays.
    """
    return self.metrics.get(key, (np.zeros(0), np.zeros(0)))

  def last(self, key: str) -> float:
    """Returns the last logged value of a metric, NaN if there is none."""
    values = self.series(key)[1]
    return float(values[-1]) if values.size else float("nan")


def read_run(path: str | pathlib.Path, name: str | None = None) -> Run:
  """Reads a run folder.

  Args:
    path: the folder that `pretrain` wrote (its `--workdir`).
    name: what to call the run, by default the folder's name.

  Returns:
    The run.

  Raises:
    InputError: no such folder, a file is missing or holds something else than
      a run's manifest and metrics.
  """
  path = pathlib.Path(path)
  manifest = _read_manifest(path)
  return Run(
    name=name or path.resolve().name,
    path=path,
    task_names=tuple(manifest["task_names"]),
    manifest=manifest,
    metrics=read_rows(path / "metrics.jsonl"),
  )


def read_runs(paths: Sequence[str | pathlib.Path]) -> list[Run]:
  """Reads several run folders under names that tell them apart.

  Args:
    paths: run folders, each given once.

  Returns:
    The runs in the order given.

  Raises:
    InputError: as `read_run`; or a folder is given twice.
  """
  folders = [pathlib.Path(path).resolve() for path in paths]
  for folder in folders:
    if folders.count(folder) > 1:
      raise InputError(f"run folder {folder} is given twice: give it once")
  depth, names = 1, [folder.name for folder in folders]
  while len(set(names)) < len(names):
    depth += 1
    names = ["/".join(folder.parts[-depth:]) for folder in folders]
  return [read_run(path, name) for path, name in zip(paths, names, strict=True)]


def _read_bytes(path: pathlib.Path) -> bytes:
  try:
    return path.read_bytes()
  except OSError as error:
    raise InputError(
      f"cannot read {path}: {error.strerror}; a run folder is what pretrain"
      " wrote to its --workdir: manifest.json and metrics.jsonl"
    ) from error


def _parse(text: bytes) -> Any:
  def refuse(constant):
    raise ValueError(f"{constant} is not JSON")

  try:
    return json.loads(text, parse_constant=refuse)
  except RecursionError as error:
    raise ValueError("too many brackets") from error


def read_json(file: pathlib.Path) -> dict[str, Any]:
  """Reads a file that holds one JSON object.

  Raises:
    InputError: It cannot be read, or holds something else.
  """
  try:
    value = _parse(_read_bytes(file))
    if not isinstance(value, dict):
      raise ValueError(f"found {value!r:.40}")
  except ValueError as error:
    if isinstance(error, InputError):
      raise
    raise InputError(f"{file} is not a JSON object: {error}") from error
  return value


def _read_manifest(path: pathlib.Path) -> dict[str, Any]:
  file = path / "manifest.json"
  manifest = read_json(file)
  names = manifest.get("task_names")
  if (
    not isinstance(names, list)
    or not names
    or not all(isinstance(name, str) for name in names)
  ):
    raise InputError(
      f"{file}: task_names is {names!r}; it must be a list of one or more names"
    )
  return manifest


def read_rows(
  file: pathlib.Path,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """Reads `metrics.jsonl`; of two rows of one step the later one counts.

  Returns:
    Key -> (steps, values), see `Run.series`.

  Raises:
    InputError: The file cannot be read, or holds something else.
  """
  rows: dict[str, dict[int, float]] = {}
  *lines, unfinished = _read_bytes(file).split(b"\n")
  for number, line in enumerate(lines, start=1):
    _add_line(rows, line, f"{file}:{number}")
  if unfinished:  # No line end: the writer may have been killed half-way.
    try:
      _parse(unfinished)
    except ValueError:
      pass
    else:
      _add_line(rows, unfinished, f"{file}:{len(lines) + 1}")
  return {
    key: (
      np.array(list(values), np.float64),
      np.array(list(values.values()), np.float64),
    )
    for key, values in rows.items()
  }


def _add_line(
  rows: dict[str, dict[int, float]], line: bytes, where: str
) -> None:
  try:
    row = _parse(line)
  except ValueError as error:
    seen = line[:40].decode("utf-8", "replace")
    raise InputError(
      f"{where}: {seen!r} is not a JSON object: {error}"
    ) from error
  if not isinstance(row, dict):
    raise InputError(f"{where}: expected a JSON object, found {row!r:.40}")
  step = row.pop("step", None)
  if type(step) is not int or not 0 <= step < 2**53:
    raise InputError(
      f"{where}: step is {step!r:.40}; it must be an integer >= 0"
    )
  for key, value in row.items():
    if value is not None and type(value) not in (int, float):
      raise InputError(
        f"{where}: {key} is {value!r:.40}; it must be a number or null"
      )
    values = rows.setdefault(key, {})
    if values and step < next(reversed(values)):
      raise InputError(
        f"{where}: {key} steps back from {next(reversed(values))} to {step};"
        " steps must not decrease"
      )
    try:
      values[step] = float("nan") if value is None else float(value)
    except OverflowError as error:
      raise InputError(f"{where}: {key} is {value!r:.40}: too large") from error
