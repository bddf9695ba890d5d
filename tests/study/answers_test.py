"""Answers to the plan's questions, on made numbers."""

import dataclasses

from taskrobust_jax.report import evidence, evidence_page
from taskrobust_jax.report.page import Picture
from taskrobust_jax.study import answers, grid
from tests.report import made_lines

OURS = grid.WINNER.name


def write(folder, runs, scores=()):
  for name, lines in (
    (evidence_page.RUNS, runs),
    (evidence_page.SCORES, scores),
  ):
    evidence.merge(folder / name, lines)


def as_ours(lines):
  return [
    dataclasses.replace(x, method=OURS) if x.method == "mirror" else x
    for x in lines
  ]


def test_nothing_is_said_of_nothing(tmp_path):
  assert answers.sections(tmp_path) == []
  write(tmp_path, made_lines.upstream()[:2])  # References alone.
  assert answers.sections(tmp_path) == []


def test_a_comparison_answers_four_questions(tmp_path):
  runs, scores = map(as_ours, (made_lines.upstream(), made_lines.scores()))
  runs += [
    made_lines.pre_training("fixed by excess", seed, 4.0, 3.0 + shift)
    for seed, shift in enumerate((-0.5, 0.5, 0.0))
  ]
  write(tmp_path, runs, scores)
  removed, downstream, splits, size, cost = answers.sections(tmp_path)
  assert removed.title.startswith("How much of the worst upstream excess")
  # 1.53 of 3.03.
  text, picture = removed.blocks
  assert text.startswith("2 of 2 leave less of the worst excess than averaging")
  assert (
    "1 of them with an interval under 1; the lowest ratio is 0.505 [" in text
  )
  assert text.endswith(f"of {OURS} (3 seeds).")
  assert isinstance(picture, Picture)
  text = downstream.blocks[0]
  assert f"off zero in novels, frozen: {OURS}, lower in none" in text
  assert "changes by +14.2% to +14.2%" in text
  assert f"of novels: {OURS} (3 seeds)" in splits.blocks[0]
  assert f"of novels: {OURS} (3 seeds)" in size.blocks[0]
  # Of the same seeds, 12 s by 10 s; the reference's 12 s do not count.
  assert "the seconds are 1.20 to 1.20 of them" in cost.blocks[0]


def test_screens_of_one_seed_say_so_and_no_interval(tmp_path):
  runs = [
    dataclasses.replace(x, purpose=grid.SCREEN)
    if x.purpose != evidence.REFERENCE
    else x
    for x in as_ours(made_lines.upstream(1))
  ]
  by_rows = [
    dataclasses.replace(x, method=f"{OURS} by rows")
    for x in runs
    if x.method == OURS
  ]
  usual = dataclasses.replace(by_rows[0], method="mirror_ascent")
  write(tmp_path, [*runs, *by_rows, usual])
  signal, temperature, rows, *others = answers.sections(tmp_path)
  assert not any("cost" in section.title for section in others)
  for section in (signal, temperature):
    text = section.blocks[0]
    assert text.startswith("2 of 2 leave less")
    assert ", 0 of them with an interval under 1;" in text
    assert "is 0.500, of mirror_ascent 0.02 (one seed)" in text
    (axes,) = section.blocks[1].figure.axes
    names = [x.get_text() for x in axes.get_yticklabels()]
    assert names == ["mirror_ascent 0.02 (1)", f"{OURS} (1)"]
  (axes,) = rows.blocks[1].figure.axes
  names = [x.get_text() for x in axes.get_yticklabels()]
  assert names == [f"{OURS} (1)", f"{OURS} by rows (1)"]


def test_a_comparison_of_a_setting_comes_before_its_screen(tmp_path):
  lines = as_ours(made_lines.upstream())
  screens = [
    dataclasses.replace(x, purpose=grid.SCREEN)
    for x in lines
    if x.seed == 0 and x.purpose != evidence.REFERENCE
  ]
  write(tmp_path, [*lines, *screens])
  *_, splits, size, _ = answers.sections(tmp_path)
  assert splits.blocks[0].startswith("1 of 1 leave")
  assert "(3 seeds)" in size.blocks[0]


def test_the_text_ends_with_what_was_not_run(tmp_path):
  write(tmp_path, as_ours(made_lines.upstream()))
  text = answers.as_text(tmp_path)
  assert "## What does it cost?" in text
  assert "answer_cost" not in text  # No pictures.
  assert "## Not yet run\n\n- novels, comparison: uniform (seed 20" in text
