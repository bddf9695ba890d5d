"""From folders to a report: what is compared with what, in which order."""

from collections.abc import Mapping, Sequence
import dataclasses
import json
import math
import pathlib
from typing import Any

from taskrobust_jax.report import cost, downstream, upstream
from taskrobust_jax.report.figures import colours_of
from taskrobust_jax.report.methods import Method, is_finished, of_runs
from taskrobust_jax.report.page import Note, Section, write_page
from taskrobust_jax.report.read import Run, read_runs
from taskrobust_jax.report.results import is_fine_tuning, read_fine_tuning
from taskrobust_jax.report.settings import differing, flat
from taskrobust_jax.report.study import Study, make_study
from taskrobust_jax.report.summary import (
  findings,
  paired_tests,
  summarise,
  warnings,
)
from taskrobust_jax.report.tables import Table, as_text, compare

_TITLE = "Task-robust pre-training"


@dataclasses.dataclass(frozen=True)
class Report:
  """A finished report.

  Attributes:
    text: For a terminal.
    sections: Of the page.
    values: The same as JSON values.
  """

  text: str
  sections: list[Section]
  values: dict[str, Any]

  def write(self, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes report.html, report.md, report.json and pictures.

    Returns:
      The files, report.html last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "report.json"
    file.write_text(json.dumps(_finite(self.values), indent=1) + "\n", "utf-8")
    return [file, *write_page(_TITLE, self.sections, folder)]


def make_report(
  folders: Sequence[str], best_known: Mapping[str, float] | None = None
) -> Report:
  """Reads folders of runs and of fine-tunings, and compares them.

  Args:
    folders: What `pretrain` and `finetune` wrote, in any mixture; the first of
      a kind is the one that others are compared with.
    best_known: See `study.make_study`.

  Raises:
    InputError: No folder, one that is neither, or nothing to compare.
  """
  fine_tuned = [folder for folder in folders if is_fine_tuning(folder)]
  others = [folder for folder in folders if folder not in fine_tuned]
  study, groups, left_out = None, [], []
  if fine_tuned:
    read = [read_fine_tuning(folder) for folder in dict.fromkeys(fine_tuned)]
    study = make_study(read, best_known)
    left_out += study.left_out
  if others or not folders:
    runs, unfinished = _finished(read_runs(others))
    left_out += unfinished
    groups = _of_equal_tasks(runs)
  comparisons = [compare(group) for group in groups]
  upstream_methods = [of_runs(group) for group in groups]
  downstream_methods = [s.method for s in study.scores] if study else []
  colours = _colours(sum(upstream_methods, downstream_methods))

  texts, sections, costs, minded = [], [], [], []
  values: dict[str, Any] = {}
  if study:
    summaries = [summarise(study, scores) for scores in study.scores]
    tests = paired_tests(study)
    told = findings(study, tests)
    sections += downstream.sections(study, summaries, tests, told, colours)
    texts.append(downstream.as_comparison(study, summaries, told))
    costs.append(cost.fine_tuning_table(study))
    minded += warnings(study, summaries)
    values["downstream"] = _downstream(study, summaries, tests)
  for number, (methods, comparison) in enumerate(
    zip(upstream_methods, comparisons, strict=True)
  ):
    name = f"report{number + 1}" if number else "report"
    sections.append(upstream.section(methods, comparison, colours, name))
    texts.append(comparison)
    costs.append(cost.pre_training_table(methods))
    minded += upstream.warnings(methods)
  values["upstream"] = upstream.values(groups)

  listed = [("fine-tuning", method) for method in downstream_methods]
  listed += [
    ("pre-training", m) for methods in upstream_methods for m in methods
  ]
  different = _differences(listed)
  for title, lines in (("Left out", left_out), ("Read with care", minded)):
    if lines:
      sections.insert(0, Section(title, [Note(lines)]))
  sections += [
    Section("Cost", costs),
    Section("Settings in which runs differ", [different]),
    Section("Runs", [_run_lines(listed)]),
  ]
  text = "\n".join(map(as_text, texts))
  for title, lines in (("Left out", left_out), ("Read with care", minded)):
    if lines:
      text += "\n".join([f"\n{title}:", *lines]) + "\n"
  values |= {
    "warnings": minded,
    "left_out": left_out,
    "costs": [_as_values(table) for table in costs],
    "settings": _as_values(different),
    "runs": [
      {"part": part, "method": method.name, "folder": str(run.path)}
      for part, method in listed
      for run in method.runs
    ],
  }
  return Report(text, sections, values)


def _of_equal_tasks(runs: Sequence[Run]) -> list[list[Run]]:
  """Losses are compared with those of the same tasks only."""
  groups: dict[tuple[str, ...], list[Run]] = {}
  for run in runs:
    groups.setdefault(run.task_names, []).append(run)
  return list(groups.values()) or [[]]


def _finished(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
  """Runs that count, and why others do not.

  If none has ended, all are looked at: no one would average them then, since
  each is a method of its own.
  """
  whole = [run for run in runs if is_finished(run)]
  if not whole:
    return list(runs), []
  return whole, [
    f"{run.path} is not finished" for run in runs if run not in whole
  ]


def _colours(methods: Sequence[Method]) -> dict[str, Any]:
  """Method name -> colour; grey for the random initialisation."""
  names = list(dict.fromkeys(m.name for m in methods if not m.is_random))
  chosen = dict(zip(names, colours_of(len(names)), strict=True))
  return chosen | {m.name: "#8a8a8a" for m in methods if m.is_random}


def _differences(listed: Sequence[tuple[str, Method]]) -> Table | str:
  """A row a setting, a column a method."""
  names = list(dict.fromkeys(method.name for _, method in listed))
  rows = []
  # A run and its fine-tunings are described by different names.
  for part in dict.fromkeys(part for part, _ in listed):
    runs = [(m, run) for p, m in listed if p == part for run in m.runs]
    settings = [_settings(method, run) for method, run in runs]
    for name, seen in differing(settings).items():
      of_method: dict[str, dict[str, None]] = {}
      for (method, _), value in zip(runs, seen, strict=True):
        # A random initialisation has no settings of pre-training.
        if value != "-" or not method.is_random:
          of_method.setdefault(method.name, {})[_short(value)] = None
      if len({value for values in of_method.values() for value in values}) > 1:
        shown = [", ".join(of_method.get(method, "")) for method in names]
        rows.append([f"{part}: {name}", *shown])
  if not rows:
    return "None."
  title = "All other settings, the versions and the devices are the same"
  return Table(title, ["setting", *names], rows)


def _settings(method: Method, run: Any) -> dict[str, str]:
  """Those of a run: its method's, its seed, and what it ran on."""
  manifest = run.manifest
  seed = manifest.get("seed", manifest.get("pretrained", {}).get("seed"))
  names = ("versions", "device_kinds", "devices")
  about = {name: manifest[name] for name in names if name in manifest}
  return {**method.settings, **flat(about), "seed": str(seed)}


def _short(text: str) -> str:
  return text if len(text) <= 40 else f"{text[:37]}..."


def _run_lines(listed: Sequence[tuple[str, Method]]) -> list[str]:
  return [
    f"{method.name} ({part}): {', '.join(str(run.path) for run in method.runs)}"
    for part, method in listed
  ]


def _downstream(study: Study, summaries, tests) -> dict[str, Any]:
  return {
    "tasks": [cell.name for cell in study.cells],
    "score_names": list(study.score_names),
    "random": None if study.floor is None else study.floor.tolist(),
    "best_known": study.best.tolist(),
    "best_known_is_given": study.best_is_given.tolist(),
    "methods": [
      {
        "name": scores.method.name,
        "replicates": [r._asdict() for r in scores.replicates],
        "scores": scores.values.tolist(),
        **_plain(dataclasses.asdict(summary)),
      }
      for scores, summary in zip(study.scores, summaries, strict=True)
    ],
    "tests": [test._asdict() for test in tests],
  }


def _plain(value: Any) -> Any:
  """Named tuples as objects."""
  if hasattr(value, "_asdict"):
    return value._asdict()
  if isinstance(value, dict):
    return {key: _plain(inner) for key, inner in value.items()}
  return [_plain(x) for x in value] if isinstance(value, list) else value


def _as_values(table: Table | str) -> Any:
  if isinstance(table, str):
    return table
  return {"title": table.title, "header": table.header, "rows": table.rows}


def _finite(value: Any) -> Any:
  """NaN as null: JSON has no word for it."""
  if isinstance(value, dict):
    return {str(key): _finite(inner) for key, inner in value.items()}
  if isinstance(value, list | tuple):
    return [_finite(inner) for inner in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
