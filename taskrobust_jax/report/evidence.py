"""What a study measured, as lines of JSON: one a pre-training, one a score.

Tables, pictures and the verdict of a study are made from these files alone, so
that they can be made again without the runs.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import json
import pathlib
from typing import Any, TypeVar

from taskrobust_jax import files
from taskrobust_jax.errors import InputError
from taskrobust_jax.report import cost, methods, upstream
from taskrobust_jax.report.read import Run, read_json
from taskrobust_jax.report.results import Cell, FineTuning, Result

UNTRAINED = "untrained"
UNIFORM = "uniform"
REFERENCE = "reference"  # The purpose of the runs of one task.
_SINGLE = "single "


@dataclasses.dataclass(frozen=True)
class PreTraining:
  """One run of pre-training that ended.

  Attributes:
    setting: What runs must share to be compared: text, split, size, budget.
    purpose: "comparison", "screen", "pilot", or `REFERENCE`.
    method: Its name; `single_method(k)` is the reference of task k.
    arguments: What stood after the colon of `--config`.
    seed: Of the run.
    steps: It took.
    examples: Rows of all batches.
    flops: Counted from the config, `None` where that is not known.
    seconds: Of training, beside whatever else the machine did.
    screen: Task -> held-out loss on the rows that choices are made by.
    loss: Task -> held-out loss on the rows that judge.
    weights: Task -> mean weight over training.
    counts: Task -> targets in the rows that judge; `None` in older lines.
  """

  setting: str
  purpose: str
  method: str
  arguments: str
  seed: int
  steps: int
  examples: float
  flops: float | None
  seconds: float | None
  screen: Mapping[str, float]
  loss: Mapping[str, float]
  weights: Mapping[str, float]
  counts: Mapping[str, float] | None = None


@dataclasses.dataclass(frozen=True)
class Downstream:
  """One score of a fine-tuned model; see `results.Result` for the rest.

  Attributes:
    setting: Of the pre-training.
    purpose: Of the pre-training.
    method: Of the pre-training, or `UNTRAINED`.
    pretrained: Its seed.
    mode: "frozen" or "full".
    task: Name of the downstream task.
    num_examples: Labelled examples, 0 for all.
  """

  setting: str
  purpose: str
  method: str
  pretrained: int
  mode: str
  task: str
  num_examples: int
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
class Probe:
  """What a forecast is made from, after a twentieth of the steps.

  Attributes:
    setting: As in `PreTraining`.
    steps: Of the short runs.
    tasks: K names.
    cosines: [K][K] between the tasks' gradients, at the end of averaging.
    averaged: [K] held-out losses of averaging.
    references: [K] held-out losses of a run of each task alone.
  """

  setting: str
  steps: int
  tasks: Sequence[str]
  cosines: Sequence[Sequence[float]]
  averaged: Sequence[float]
  references: Sequence[float]


Line = TypeVar("Line", PreTraining, Downstream, Probe)


def single_method(task: str) -> str:
  """The name of the method that trains one task alone."""
  return f"{_SINGLE}{task}"


def is_adaptive(method: str) -> bool:
  """Whether weights follow losses: else it is averaging, fixed or one task."""
  return not method.startswith((UNIFORM, "ordinary", "fixed", _SINGLE))


def of_run(
  run: Run,
  evaluated: tuple[pathlib.Path, pathlib.Path],
  setting: str,
  purpose: str,
  method: str,
) -> PreTraining:
  """The line of a run that ended.

  Args:
    run: It.
    evaluated: What `evaluate` wrote of it on the rows that screen, and on those
      that judge.
    setting: See `PreTraining`.
    purpose: See `PreTraining`.
    method: See `PreTraining`.

  Returns:
    The line. A run that keeps a mean of its params is told by the mean. Weights
    of a run whose own tasks are others than those that it is evaluated by are
    shares of the targets.
  """
  screened, judged = map(read_json, evaluated)
  of_mean = "eval_averaged/worst_task_loss" in judged
  prefix = "eval_averaged" if of_mean else "eval"
  counts = _of_tasks(judged, f"{prefix}/count/")
  seen = upstream.values([[run]])[0]
  weights = seen["mean_weight"]
  if weights.keys() != counts.keys():
    weights = {k: n / sum(counts.values()) for k, n in counts.items()}
  paid = cost.of_pre_training(methods.Method(method, {}, (run,)))
  config = run.manifest["config"]
  return PreTraining(
    setting=setting,
    purpose=purpose,
    method=method,
    arguments=_strategy(config),
    seed=run.manifest["seed"],
    steps=int(seen["step"]),
    examples=paid.examples,
    flops=_known(paid.flops),
    seconds=_known(paid.seconds),
    screen=_rounded(_of_tasks(screened, f"{prefix}/loss/")),
    loss=_rounded(_of_tasks(judged, f"{prefix}/loss/")),
    weights=_rounded(weights),
    counts=counts,
  )


def of_fine_tuning(
  folder: FineTuning, setting: str, purpose: str, method: str
) -> list[Downstream]:
  """The lines of a folder of fine-tunings."""
  lines = []
  for result in folder.results:
    values = dataclasses.asdict(result)
    task, num_examples = values.pop("cell")
    lines.append(
      Downstream(
        setting=setting,
        purpose=purpose,
        method=method,
        pretrained=folder.pretrained["seed"],
        mode=folder.config["mode"],
        task=task,
        num_examples=num_examples,
        **values,
      )
    )
  return lines


def as_fine_tunings(lines: Iterable[Downstream]) -> list[FineTuning]:
  """Lines as folders, averaging first: what `study.make_study` takes."""
  folders: dict[tuple, list[Downstream]] = {}
  for line in lines:
    key = (line.method != UNIFORM, line.method, line.pretrained, line.mode)
    folders.setdefault(key, []).append(line)
  return [
    FineTuning(
      path=pathlib.Path(method, f"seed{seed}"),
      pretrained={
        "init": "random" if method == UNTRAINED else "run",
        "strategy": method,
        "seed": seed,
        "num_examples": None,
        "config": None,
      },
      config={"mode": mode},
      manifest={},
      results=tuple(map(_result, group)),
      left_out=(),
    )
    for (_, method, seed, mode), group in sorted(folders.items())
  ]


def read(file: pathlib.Path, kind: type[Line]) -> list[Line]:
  """The lines of a file; none if there is no file.

  Raises:
    InputError: A line is not of this kind.
  """
  if not file.exists():
    return []
  lines = []
  for number, text in enumerate(file.read_text("utf-8").splitlines(), 1):
    try:
      lines.append(kind(**json.loads(text)))
    except (ValueError, TypeError) as error:
      raise InputError(
        f"{file}:{number}: it is no line of {kind.__name__}: {error}"
      ) from error
  return lines


def merge(file: pathlib.Path, lines: Sequence[Line]) -> None:
  """Adds lines to a file, in the place of those of the same run."""
  if not lines:
    return
  found = {_key(line): line for line in (*read(file, type(lines[0])), *lines)}
  texts = [
    json.dumps(dataclasses.asdict(found[key]), allow_nan=False)
    for key in sorted(found)
  ]
  file.parent.mkdir(parents=True, exist_ok=True)
  files.write_whole(file, "".join(f"{text}\n" for text in texts))


def _key(line: Line) -> tuple:
  """What two lines of one run share."""
  if isinstance(line, Probe):
    return (line.setting,)
  key = (line.setting, line.purpose, line.method, line.seed)
  if isinstance(line, PreTraining):
    return key
  return (*key, line.pretrained, line.mode, line.task, line.num_examples)


def _result(line: Downstream) -> Result:
  names = {field.name for field in dataclasses.fields(Result)} - {"cell"}
  return Result(
    cell=Cell(line.task, line.num_examples),
    **{name: getattr(line, name) for name in names},
  )


def _strategy(config: Mapping[str, Any]) -> str:
  """The section of the strategy, without where files lie."""
  section = dict(config["minimax"])
  if isinstance(section.get("reference_losses"), str):
    section["reference_losses"] = "calibrate"
  return ",".join(f"{name}={value}" for name, value in section.items())


def _of_tasks(values: Mapping[str, float], prefix: str) -> dict[str, float]:
  """What `evaluate` told of each task under a prefix."""
  return {
    name.removeprefix(prefix): value
    for name, value in values.items()
    if name.startswith(prefix)
  }


def _known(value: float) -> float | None:
  return None if value != value else round(value, 1)


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
  return {name: round(value, 5) for name, value in values.items()}
