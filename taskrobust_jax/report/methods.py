"""Runs that differ in their seed alone are replicates of one method."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import math
from typing import Any

from taskrobust_jax.report.read import Run
from taskrobust_jax.report.results import FineTuning
from taskrobust_jax.report.settings import flat, labels

# Which of several replicates a run is: no setting.
_NOT_SETTINGS = ("seed",)


@dataclasses.dataclass(frozen=True)
class Method:
  """One way to pre-train, and to fine-tune where that was done.

  Attributes:
    name: Tells it from the other methods of the report.
    settings: Flat; all but seeds and folders.
    runs: Its replicates: `Run`s or `FineTuning`s.
    is_random: Whether nothing was pre-trained.
  """

  name: str
  settings: Mapping[str, str]
  runs: tuple[Any, ...]
  is_random: bool = False


def of_runs(runs: Sequence[Run]) -> list[Method]:
  """Methods of pre-training runs, in the order of their first run."""
  seen = set()

  def describe(run):
    config = run.manifest.get("config")
    config = config if isinstance(config, dict) else {}
    settings = _settings(config, "")
    for key in ("data_digest", "init_from", "references"):
      if key in run.manifest:
        settings |= flat(run.manifest[key], key)
    # What is no replicate is a method of its own, and never averaged.
    if not is_finished(run):
      settings["stopped at step"] = f"{last_step(run):.0f}"
    place = (str(run.manifest.get("seed")), *sorted(settings.items()))
    if place in seen:
      settings["folder"] = run.name
    seen.add(place)
    section = config.get("minimax")
    section = section if isinstance(section, dict) else {}
    return str(section.get("strategy", run.name)), settings

  return _grouped(runs, describe)


def of_fine_tunings(folders: Sequence[FineTuning]) -> list[Method]:
  """Methods of fine-tuned models, in the order of their first folder."""

  def describe(folder):
    pretrained = folder.pretrained
    name = {
      "random": "random init",
      "weights": f"weights {_folder(pretrained.get('workdir'))}",
    }.get(pretrained["init"], pretrained["strategy"].partition("(")[0])
    config = pretrained.get("config")
    config = config if isinstance(config, dict) else {}
    if pretrained["init"] == "random":  # Nothing else of it was used.
      config = {k: v for k, v in config.items() if k == "model"}
    known = _settings(config, "pre-training.")
    settings = {
      "init": pretrained["init"],
      **(known or {"strategy": pretrained["strategy"]}),
      **_settings(folder.config, "fine-tuning."),
      "selection": str(folder.manifest.get("selection")),
    }
    if pretrained["init"] == "run":
      for key in ("step", "data_digest"):
        settings[key] = str(pretrained.get(key))
    return name, settings

  return _grouped(folders, describe, lambda f: f.pretrained["init"] == "random")


def last_step(run: Run) -> float:
  """The step of the last held-out evaluation, NaN if there is none."""
  steps = [run.series(f"eval/loss/{task}")[0] for task in run.task_names]
  return max((step[-1] for step in steps if step.size), default=math.nan)


def is_finished(run: Run) -> bool:
  """Whether a run was evaluated at its last step, or may have ended early."""
  config = run.manifest.get("config")
  config = config if isinstance(config, dict) else {}
  evaluation = config.get("evaluation")
  if isinstance(evaluation, dict) and evaluation.get("patience"):
    return True
  return last_step(run) >= _number(config.get("num_steps"))


def _number(value) -> float:
  return value if type(value) in (int, float) else 0.0


def _folder(path) -> str:
  return str(path).rstrip("/").rpartition("/")[2]


def _settings(config: Mapping[str, Any], prefix: str) -> dict[str, str]:
  kept = {k: v for k, v in config.items() if k not in _NOT_SETTINGS}
  return {prefix + name: text for name, text in flat(kept).items()}


def _grouped(
  runs: Sequence[Any],
  describe: Callable[[Any], tuple[str, dict[str, str]]],
  is_random: Callable[[Any], bool] = lambda run: False,
) -> list[Method]:
  groups: dict[tuple, list[Any]] = {}
  for run in runs:
    name, settings = describe(run)
    groups.setdefault((name, tuple(sorted(settings.items()))), []).append(run)
  settings = [dict(items) for _, items in groups]
  names = labels([name for name, _ in groups], settings)
  return [
    Method(name, values, tuple(members), is_random(members[0]))
    for name, values, members in zip(
      names, settings, groups.values(), strict=True
    )
  ]
