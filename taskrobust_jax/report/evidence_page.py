"""A study's tables, pictures and verdict, from its files of lines."""

from collections.abc import Sequence
import pathlib

import numpy as np

from taskrobust_jax.report import (
  downstream,
  evidence,
  evidence_figures,
  excess,
  verdict,
)
from taskrobust_jax.report.evidence import Downstream, PreTraining, Probe
from taskrobust_jax.report.page import (
  Note,
  Picture,
  Section,
)
from taskrobust_jax.report.summary import summarise
from taskrobust_jax.report.tables import Table

RUNS, SCORES = "pretraining.jsonl", "downstream.jsonl"
PROBES = "forecast.jsonl"
FILES = {RUNS: PreTraining, SCORES: Downstream, PROBES: Probe}
TABLES = "tables.md"
_MOST_BARS = 8  # Methods in a picture: a page is not wider.
PURPOSES = {
  "comparison": "paired seeds, judged on the second half of the held-out rows",
  "earlier comparison": "judged; then the next one was planned by it",
  "screen": "a screen: it chooses, it does not judge",
  "pilot": "a pilot: it chose steps and rates, and counts for nothing else",
}


def sections(folder: pathlib.Path) -> list[Section]:
  """All that the files of a folder tell.

  Args:
    folder: It holds the files of `FILES`; one that is missing holds nothing.

  Returns:
    A section for each setting and purpose, comparisons first.
  """
  pretraining = evidence.read(folder / RUNS, PreTraining)
  scores = evidence.read(folder / SCORES, Downstream)
  made = []
  for purpose, meaning in PURPOSES.items():
    lines = [line for line in pretraining if line.purpose == purpose]
    for setting in dict.fromkeys(line.setting for line in lines):
      own = [line for line in lines if line.setting == setting]
      # References serve every purpose of their setting.
      own += [
        line
        for line in pretraining
        if (line.setting, line.purpose) == (setting, evidence.REFERENCE)
      ]
      of_setting = [
        line
        for line in scores
        if (line.setting, line.purpose) == (setting, purpose)
      ]
      title = f"{setting}: {purpose} ({meaning})"
      made.append(_section(title, setting, purpose, own, of_setting))
  return made


def _section(
  title: str,
  setting: str,
  purpose: str,
  lines: Sequence[PreTraining],
  scores: Sequence[Downstream],
) -> Section:
  rows = excess.rows_of(purpose)
  tasks, found = excess.of_lines(lines, rows)
  base = next((x for x in found if x.method == evidence.UNIFORM), None)
  name = f"{setting}_{purpose}".replace(" ", "_")
  blocks, shown = [], []
  studies = {}
  for mode in sorted({line.mode for line in scores}):
    told = verdict.told_apart([line for line in scores if line.mode == mode])
    if told is not None:
      studies[mode] = told
  if base is not None:
    judges = {
      f"{mode} encoder, {len(study.cells)} cells": study
      for mode, (study, _) in studies.items()
    }
    shown = []
    for x in found:
      own = {
        how: judge
        for how, judge in judges.items()
        if x.method in [s.method.name for s in judge.scores]
      }
      shown += [
        verdict.of_method(x, base, judge, how).sentence()
        for how, judge in (own or {"": None}).items()
        if x is not base
      ]
    if purpose.endswith("comparison") and shown:
      blocks.append(shown)
  if found:
    others = excess.of_lines(lines, "screen")[1] if rows == "loss" else ()
    blocks.append(excess.table(tasks, found, others))
    if len(found) <= _MOST_BARS:
      figure = evidence_figures.excess_of_methods(tasks, found)
      caption = "Excess of each task and method."
      blocks.append(Picture(figure, f"{name}_excess", caption))
  elif lines:
    blocks.append("No excess: the references of this setting are not yet run.")
  blocks.append(excess.losses_table(_tasks_of(lines), lines, rows))
  blocks.append(_cost(lines))
  for mode, (study, notes) in studies.items():
    summaries = [summarise(study, s) for s in study.scores]
    blocks += [
      f"Downstream, {mode} encoder.",
      downstream.summary_table(study, summaries),
      downstream.task_table(study, summaries),
    ]
    if notes:
      blocks.append(Note(notes))
  if scores and not studies:
    blocks.append(
      "Downstream: no cell in which a pre-trained model is told from the "
      "untrained one, or one of the two is not yet run."
    )
  return Section(title, blocks)


def _tasks_of(lines: Sequence[PreTraining]) -> tuple[str, ...]:
  """Those of the first run of several tasks."""
  return tuple(max((line.loss for line in lines), key=len, default=()))


def _cost(lines: Sequence[PreTraining]) -> Table:
  """A row a method."""
  of_method: dict[str, list[PreTraining]] = {}
  for line in lines:
    of_method.setdefault(line.method, []).append(line)

  rows = []
  for method, group in of_method.items():
    seconds = [line.seconds for line in group if line.seconds]
    rows.append(
      [
        method,
        str(len(group)),
        f"{group[0].steps:,}",
        f"{group[0].examples:,.0f}",
        "-" if group[0].flops is None else f"{group[0].flops:.3g}",
        f"{np.median(seconds):,.0f}" if seconds else "-",
      ]
    )
  return Table(
    "Cost of a run (seconds: the median, beside whatever else the machine did)",
    ["method", "runs", "steps", "examples", "FLOPs", "seconds"],
    rows,
  )
