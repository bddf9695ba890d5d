"""The committed tables of the study are those that its lines give."""

import dataclasses

from taskrobust_jax.report import evidence, evidence_page
from taskrobust_jax.study import answers, progress
from tests import programs

FOLDER = programs.ROOT / "notebooks/results/study"


def test_the_tables_are_made_from_the_lines():
  text = answers.as_text(FOLDER)
  assert "novels: comparison" in text
  assert text == (FOLDER / evidence_page.TABLES).read_text("utf-8")


def test_what_is_missing_is_what_the_plan_has_and_lines_have_not():
  runs = evidence.read(FOLDER / "pretraining.jsonl", evidence.PreTraining)
  scores = evidence.read(FOLDER / "downstream.jsonl", evidence.Downstream)
  whole = progress.missing([], [])
  assert len(whole) >= len(progress.missing(runs, [])) >= 1
  whole = dict(text.split(": ") for text in whole)
  uniform = "uniform (seed 20, 21, 22, 23, 24, 25, 26, 27, 28, 29), "
  assert whole["novels, comparison"].startswith(uniform)
  assert whole[
    "novels, comparison, frozen encoder, 64 1,024 examples"
  ].startswith(uniform)
  run = next(x for x in runs if (x.method, x.seed) == ("uniform", 22))
  assert (run.setting, run.purpose) == ("novels", "comparison")
  score = dataclasses.replace(
    next(x for x in scores if (x.method, x.mode) == ("uniform", "frozen")),
    **{"setting": "novels", "purpose": "comparison"},
    **{"pretrained": 22, "num_examples": 64},
  )
  left = dict(text.split(": ") for text in progress.missing([run], [score]))
  fewer = "uniform (seed 20, 21, 23, 24, 25, 26, 27, 28, 29), "
  assert left["novels, comparison"].startswith(fewer)
  tuned = "novels, comparison, frozen encoder"
  assert left[f"{tuned}, 64 1,024 examples"].startswith(fewer)
  assert left[f"{tuned}, 1,024 examples"] == "uniform (seed 22)"
