"""The committed tables of the study are those that its lines give."""

from taskrobust_jax.report import evidence, evidence_page
from taskrobust_jax.study import answers, grid
from tests import programs

FOLDER = programs.ROOT / "notebooks/results/study"


def test_the_tables_are_made_from_the_lines():
  text = answers.as_text(FOLDER)
  assert "novels: comparison" in text
  assert text == (FOLDER / evidence_page.TABLES).read_text("utf-8")


def test_what_is_missing_is_what_the_plan_has_and_lines_have_not():
  runs = evidence.read(FOLDER / "pretraining.jsonl", evidence.PreTraining)
  assert len(grid.missing([])) >= len(grid.missing(runs))
  first, *_ = grid.missing([])
  assert first == "novels, comparison: uniform (seed 20, 21, 22, 23, 24)"
