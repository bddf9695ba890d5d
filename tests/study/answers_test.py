"""Answers to the plan's questions, on made numbers."""

import dataclasses

import pytest

from taskrobust_jax.report import evidence, evidence_page
from taskrobust_jax.report.page import Picture
from taskrobust_jax.study import answers, grid, progress
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
  removed, downstream, cost = answers.sections(tmp_path)
  assert removed.title.startswith("How much of the worst upstream excess")
  # 1.53 of 3.03.
  text, picture = removed.blocks
  assert text.startswith("2 of 2 leave less of the worst excess than averaging")
  assert (
    "1 of them with an interval under 1; the lowest ratio is 0.505 [" in text
  )
  assert text.endswith(f"of novels: {OURS} (3 seeds).")
  assert isinstance(picture, Picture)
  text = downstream.blocks[0]
  assert f"off zero in novels, frozen: {OURS}, lower in none" in text
  assert "changes by +14.2% to +14.2%" in text
  # Of the same seeds, 12 s by 10 s; the reference's 12 s do not count.
  assert "averaging and 1.20 to 1.20 of its seconds" in cost.blocks[0]


def screens(runs):
  return [
    dataclasses.replace(x, purpose=grid.SCREEN)
    if x.purpose != evidence.REFERENCE
    else x
    for x in runs
  ]


def renamed(runs, name):
  return [dataclasses.replace(x, method=name) for x in runs if x.method == OURS]


def labels(section):
  (axes,) = section.blocks[1].figure.axes
  return [x.get_text() for x in axes.get_yticklabels()]


def test_screens_of_one_seed_say_so_and_no_interval(tmp_path):
  runs = screens(as_ours(made_lines.upstream(1)))
  more = [
    *renamed(runs, f"{OURS} by rows"),
    *renamed(runs, "mirror_ascent"),
    *renamed(runs, "mirror_ascent raw"),
  ]
  more[0] = dataclasses.replace(more[0], screen={"nouns": 5.0, "verbs": 3.6})
  write(tmp_path, [*runs, *more])
  signal, temperature, rows = answers.sections(tmp_path)
  text = temperature.blocks[0]
  assert text.startswith("2 of 2 leave less")
  assert ", 0 of them with an interval under 1;" in text
  assert "is 0.500, of mirror_ascent 0.02 (one seed)" in text
  assert labels(temperature) == ["mirror_ascent 0.02 (1)", f"{OURS} (1)"]
  # Against the excess at the same step, and against the same strategy.
  assert signal.blocks[0].endswith("in 0 of 1 pairs: raw, step 0.02 1.000.")
  assert labels(signal) == ["raw, step 0.02 (1)"]
  assert rows.blocks[0].endswith(f"in 1 of 1 pairs: {OURS} 1.200.")
  assert labels(rows) == [f"{OURS} (1)"]


def test_mean_params_are_told_against_the_last(tmp_path):
  lines = [
    dataclasses.replace(x, setting=grid.FINE_TUNED.name)
    for x in made_lines.upstream()
  ]
  # The worst excess is 1.01 with the last params.
  more = made_lines.pre_training("uniform averaged", 0, 4.2, 3.515)
  more = dataclasses.replace(more, setting=grid.FINE_TUNED.name, seed=1)
  write(tmp_path, [*lines, more])
  titles = {x.title: x for x in answers.sections(tmp_path)}
  section = titles["The last params, or their mean?"]
  assert section.blocks[0].endswith("in 1 of 1 pairs: uniform 1.500.")


def test_settings_are_compared_where_there_are_two(tmp_path):
  lines = as_ours(made_lines.upstream())
  other = [
    dataclasses.replace(x, setting=grid.TREEBANK.name)
    for x in screens(lines)
    if x.seed == 0
  ]
  # A comparison comes before the screens of its setting.
  write(tmp_path, [*lines, *other, *screens(lines)])
  titles = {x.title: x for x in answers.sections(tmp_path)}
  splits = titles["Which split of which text or pictures?"]
  assert labels(splits) == [f"novels: {OURS} (3)", f"treebank: {OURS} (1)"]
  assert "Larger models, fewer and more steps?" not in titles


def test_screens_judge_nothing_downstream(tmp_path):
  runs, scores = map(as_ours, (made_lines.upstream(), made_lines.scores()))
  write(tmp_path, screens(runs), screens(scores))
  titles = [x.title for x in answers.sections(tmp_path)]
  assert not any("downstream" in title or "cost" in title for title in titles)


@pytest.mark.parametrize(
  ("methods", "end"),
  [
    ((evidence.UNIFORM, OURS), "no excess, so that none has a ratio"),
    ((OURS,), "Nothing is left of averaging's small excess"),
  ],
)
def test_a_ratio_needs_an_excess_of_both(tmp_path, methods, end):
  lines = as_ours(made_lines.upstream(1))
  other = [
    dataclasses.replace(
      x,
      setting="scenes",
      loss={"nouns": 3.0, "verbs": 1.0} if x.method in methods else x.loss,
    )
    for x in lines
  ]
  write(tmp_path, [*lines, *other])
  titles = {x.title: x for x in answers.sections(tmp_path)}
  splits = titles["Which split of which text or pictures?"]
  assert splits.blocks[0].startswith("1 of 1 leave less")
  assert splits.blocks[0].endswith(f"{end}: scenes: {OURS}.")


def test_finalists_are_chosen_on_common_seeds():
  lines = screens(as_ours(made_lines.upstream()))
  first = [x for x in lines if x.seed == 0]
  better, worse, fixed = (
    "mirror_ascent 2.0",
    "optimistic 0.5",
    "fixed by counts",
  )
  lines += [
    dataclasses.replace(
      x, method=name, screen={"nouns": 5.0, "verbs": 3 + more}
    )
    for name, more in ((better, 0.4), (worse, 0.9), (fixed, 0.7))
    for x in first
    if x.method == OURS
  ]
  assert progress.finalists(lines) == [better, OURS, fixed]
  assert progress.finalists([]) == []


def test_the_text_ends_with_what_was_not_run(tmp_path):
  write(tmp_path, as_ours(made_lines.upstream()))
  text = answers.as_text(tmp_path)
  assert "## What does it cost?" in text
  assert "answer_cost" not in text  # No pictures.
  left = text.partition("## Not yet run\n\n")[2].splitlines()
  assert left[0].startswith("- references: novels fine-tuned, ")
  assert "novels 4 of 16" in left[0]
  assert "8 of 16" not in left[0]
  assert left[1].startswith("- novels, comparison: uniform (seed 20")


def test_rates_are_told_by_the_rows_that_screen(tmp_path):
  base = next(x for x in made_lines.upstream() if x.method == evidence.UNIFORM)
  lines = [
    dataclasses.replace(
      base,
      purpose=grid.PILOT,
      method=name,
      screen={"nouns": 5.0 + more, "verbs": 3.0},
      loss={"nouns": 9.0, "verbs": 9.0 - more},
    )
    for name, more in (("uniform", 0.0), ("uniform at 0.001", 0.5))
  ]
  write(tmp_path, lines[:1])
  assert answers.sections(tmp_path) == []
  write(tmp_path, lines)
  (section,) = answers.sections(tmp_path)
  text = section.blocks[0]
  assert text.endswith("one seed): novels: uniform at 0.001 +0.250.")


def test_each_number_of_tasks_is_told_by_its_own_losses(tmp_path):
  base = next(x for x in made_lines.upstream() if x.method == evidence.UNIFORM)
  lines = [
    dataclasses.replace(
      base,
      setting=setting.name,
      purpose=grid.SCREEN,
      method=method.name,
      screen=dict.fromkeys("abcdefgh"[:count], 4.0) | {"a": worst},
    )
    for setting, count in zip(grid.QUANTILES[:2], (4, 8), strict=True)
    for method, worst in ((grid.AVERAGING, 6.0), (grid.RAW, 6.0 - 2 / count))
  ]
  write(tmp_path, lines)
  titles = {x.title: x for x in answers.sections(tmp_path)}
  section = titles["How many tasks, by word frequency?"]
  assert section.blocks[0].endswith(
    "K = 4 -0.500 (mean -0.125); K = 8 -0.250 (mean -0.031)."
  )
  assert labels(section) == ["K = 4 (1)", "K = 8 (1)"]


def test_sizes_are_told_by_raw_losses_on_the_rows_that_judge(tmp_path):
  lines = [
    dataclasses.replace(x, setting=setting.name, method=method.name)
    for setting in (grid.NOVELS, grid.MINI)
    for x in made_lines.upstream(1)
    for method, name in ((grid.AVERAGING, "uniform"), (grid.RAW, "mirror"))
    if x.method == name
  ]
  title = "Larger models, by raw losses"
  write(tmp_path, lines[:2])
  assert title not in {x.title for x in answers.sections(tmp_path)}
  write(tmp_path, lines)
  titles = {x.title: x for x in answers.sections(tmp_path)}
  # Nouns of 4.2 and 4.5, verbs of 3.0 and 2.3.
  assert (
    titles[title]
    .blocks[0]
    .endswith(
      "rows that judge by (nats, that of averaging taken off): "
      "2 x 64 +0.300 (mean -0.200); 4 x 256 +0.300 (mean -0.200)."
    )
  )
