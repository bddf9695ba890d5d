"""A folder of fine-tunings: `manifest.json` and a `result.json` for each."""

from collections.abc import Mapping
import dataclasses
import pathlib
import re
from typing import Any, NamedTuple

from taskrobust_jax.errors import InputError
from taskrobust_jax.report.read import read_json

INITS = ("run", "random", "weights")
_PRETRAINED = {
  "strategy": str,
  "seed": int | None,
  "num_examples": int | None,
  "config": dict | None,
}


class Cell(NamedTuple):
  """What methods are compared in: a task, and how much of it was trained on.

  Attributes:
    task: Its name.
    num_examples: Labelled examples, 0 for all.
  """

  task: str
  num_examples: int

  @property
  def name(self) -> str:
    """`CoLA`, or `CoLA, 100 examples`."""
    if not self.num_examples:
      return self.task
    return f"{self.task}, {self.num_examples} examples"


@dataclasses.dataclass(frozen=True)
class Result:
  """One fine-tuning that ended.

  Attributes:
    cell: Task and size.
    seed: Of the fine-tuning.
    score_name: Of what, such as `matthews`.
    score: On the rows that give the verdict; higher is better.
    select_score: On the rows that chose the step; `None` if none did.
    num_steps: Of the fine-tuning.
    num_train_rows: Rows trained on.
    num_eval_rows: Rows that the score is from.
    model_flops: Of the fine-tuning, counted analytically.
    seconds: It took.
  """

  cell: Cell
  seed: int
  score_name: str
  score: float
  select_score: float | None
  num_steps: int
  num_train_rows: int
  num_eval_rows: int
  model_flops: float
  seconds: float


@dataclasses.dataclass(frozen=True)
class FineTuning:
  """The fine-tunings of one pre-trained model.

  Attributes:
    path: The folder.
    pretrained: What was fine-tuned: `init` (one of `INITS`), `strategy`,
      `seed`, `num_examples`, `config`, ...
    config: The settings of the fine-tuning.
    manifest: `manifest.json` as read.
    results: Those that ended.
    left_out: What did not, or is not what its place says: a line each.
  """

  path: pathlib.Path
  pretrained: Mapping[str, Any]
  config: Mapping[str, Any]
  manifest: Mapping[str, Any]
  results: tuple[Result, ...]
  left_out: tuple[str, ...]


def is_fine_tuning(path: str | pathlib.Path) -> bool:
  """Whether a folder's manifest says that it holds fine-tunings."""
  return (
    read_json(pathlib.Path(path) / "manifest.json").get("kind") == "finetune"
  )


def read_fine_tuning(path: str | pathlib.Path) -> FineTuning:
  """Reads a folder that `finetune` wrote.

  Args:
    path: Its `--workdir`.

  Returns:
    What is there; what is unfinished stands in `left_out`.

  Raises:
    InputError: A file is not what `finetune` writes.
  """
  path = pathlib.Path(path)
  file = path / "manifest.json"
  manifest = read_json(file)
  pretrained = manifest.get("pretrained")
  if not isinstance(pretrained, dict) or pretrained.get("init") not in INITS:
    raise InputError(
      f"{file}: pretrained must be an object with an init in {INITS}, got "
      f"{pretrained!r:.60}"
    )
  for name, kinds in _PRETRAINED.items():
    if not isinstance(pretrained.get(name), kinds):
      raise InputError(
        f"{file}: pretrained.{name} is {pretrained.get(name)!r:.40}, which is "
        "not what finetune writes"
      )
  results, left_out = [], []
  for place in sorted(path.glob("*/*/seed*")):
    task, size, seed = place.relative_to(path).parts
    if not re.fullmatch("all|[1-9][0-9]*", size, re.ASCII):
      continue
    if not re.fullmatch("seed[0-9]+", seed, re.ASCII):
      continue
    if not (place / "result.json").exists():
      left_out.append(f"{place} is not finished: it has no result.json")
      continue
    result = _read_result(place / "result.json")
    cell = Cell(task, 0 if size == "all" else int(size))
    if isinstance(result, str):
      left_out.append(result)
    elif (result.cell, result.seed) != (cell, int(seed[4:])):
      left_out.append(
        f"{place / 'result.json'} is of {result.cell.name}, seed {result.seed}"
      )
    else:
      results.append(result)
  return FineTuning(
    path=path,
    pretrained=pretrained,
    config=_object(file, manifest, "config"),
    manifest=manifest,
    results=tuple(results),
    left_out=tuple(left_out),
  )


def _object(file, manifest, name):
  value = manifest.get(name)
  if not isinstance(value, dict):
    raise InputError(f"{file}: {name} must be an object, got {value!r:.40}")
  return value


def _read_result(file: pathlib.Path) -> Result | str:
  """The result, or why it does not count."""
  values = read_json(file)

  def number(name, kind, least=0):
    value = values.get(name)
    if type(value) not in (int, kind) or not least <= value < 2**1000:
      raise InputError(
        f"{file}: {name} is {value!r:.40}; it must be a number "
        f"({kind.__name__}) >= {least}"
      )
    return kind(value)

  def text(name):
    value = values.get(name)
    if not isinstance(value, str):
      raise InputError(f"{file}: {name} is {value!r:.40}; it must be text")
    return value

  if "score" in values and values["score"] is None:
    return f"{file} has no score: it was not finite"
  return Result(
    cell=Cell(text("task"), number("num_examples", int)),
    seed=number("seed", int),
    score_name=text("score_name"),
    score=number("score", float, -(2**1000)),
    select_score=(
      None
      if values.get("select_score") is None
      else number("select_score", float, -(2**1000))
    ),
    num_steps=number("num_steps", int),
    num_train_rows=number("num_train_rows", int),
    num_eval_rows=number("num_eval_rows", int),
    model_flops=number("model_flops", float),
    seconds=number("seconds", float),
  )
