import json

import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.report.read import read_runs
from taskrobust_jax.report.tables import as_text, compare

_TEXT = """\
Held-out loss at step 10: lower is better

task           average   minimax   difference
-------------  --------  --------  -----------
nouns            6.000     5.000*      -1.000
verbs            3.000*    4.000       +1.000
-------------  --------  --------  -----------
worst task       6.000     5.000*      -1.000
mean of tasks    4.500     4.500       +0.000

Task weights, mean over training: what the strategy worked on

task           average   minimax   difference
-------------  --------  --------  -----------
nouns            0.500     0.625       +0.125
verbs            0.500     0.375       -0.125

Held-out accuracy in % at step 10: higher is better

task           average   minimax   difference
-------------  --------  --------  -----------
nouns              8.3      10.0*        +1.7
verbs             16.7*     12.5         -4.2

* the best of its row.
difference = minimax minus average.
"""


def test_text_of_two_runs(two_runs):
  text = as_text(compare(read_runs(two_runs)))
  head, tables = text.split("\n\n", 1)
  assert tables == _TEXT
  assert head.splitlines() == [
    f"average: strategy uniform, seed 0, {two_runs[0]}",
    f"minimax: strategy group_dro, seed 0, {two_runs[1]}",
  ]


def test_two_runs_of_four_tasks_fit_80_columns(write_run):
  names = ("nouns", "verbs", "modifiers", "function_words")
  losses, weights = [[3000.0, 2000.0]] * 4, [[0.25, 0.25]] * 4
  folders = [
    write_run(name, losses, weights, names)
    for name in ("plain_averaging", "mirror_ascent")
  ]
  runs = read_runs(folders)
  lines = as_text(compare(runs)).split("\n\n", 1)[1].splitlines()
  assert max(map(len, lines)) <= 80
  assert all(line == line.rstrip() for line in lines)


def test_one_run_has_no_difference_and_no_best(two_runs):
  text = as_text(compare(read_runs(two_runs[:1]))).split("\n\n", 1)[1]
  assert "difference" not in text
  assert "*" not in text


def test_a_loss_that_is_missing_is_a_dash_and_never_the_best(two_runs):
  file = two_runs[0] / "metrics.jsonl"
  file.write_text(file.read_text() + '{"step": 20, "eval/loss/nouns": null}\n')
  text = as_text(compare(read_runs(two_runs)))
  assert "Held-out loss at step 20, 10: lower is better" in text
  row = next(line for line in text.splitlines() if line.startswith("nouns"))
  assert row.split() == ["nouns", "-", "5.000*", "-"]
  assert "last evaluated at different steps" in text


def test_different_data_are_noted(two_runs, write_run):
  ones = [[1, 1], [1, 1]]
  other = write_run("other", ones, ones, data_digest="d2")
  assert "different data" not in as_text(compare(read_runs(two_runs)))
  runs = read_runs([two_runs[0], other])
  assert "different data" in as_text(compare(runs))


def test_what_else_is_known_of_the_worst_task_stands_apart(two_runs):
  assert "bootstrap" not in as_text(compare(read_runs(two_runs)))
  for folder, more in zip(
    two_runs,
    (
      {"eval/worst_task_loss_low": 5.5, "eval/worst_task_loss_high": 6.5},
      {"eval_averaged/worst_task_loss": 4.25},
    ),
  ):
    with (folder / "metrics.jsonl").open("a") as file:
      file.write(json.dumps({"step": 10} | more) + "\n")
  lines = as_text(compare(read_runs(two_runs))).splitlines()
  found = {" ".join(line.split()) for line in lines}
  assert any(line.startswith("2.5 % point 5.500") for line in found)
  assert any(line.startswith("97.5 % point 6.500") for line in found)
  assert any(line.startswith("averaged params") for line in found)


def test_runs_that_cannot_be_compared_are_refused(two_runs, write_run):
  ones = [[1, 1], [1, 1]]
  other = write_run("other", ones, ones, task_names=("verbs", "nouns"))
  with pytest.raises(InputError, match="different tasks: .*nouns, verbs;"):
    compare(read_runs([two_runs[0], other]))
  (other / "metrics.jsonl").write_text('{"step": 0, "train/loss/nouns": 1}\n')
  with pytest.raises(InputError, match="not reached its first evaluation"):
    compare(read_runs([other]))
  with pytest.raises(InputError, match="no run folders given"):
    compare([])
