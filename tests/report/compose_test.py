import json

import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.report.compose import make_report


def titles(report):
  return [section.title for section in report.sections]


def of_title(report, title):
  return next(s.blocks for s in report.sections if s.title == title)


def test_runs_and_fine_tunings_stand_in_one_report(
  two_runs, write_fine_tuning, tmp_path
):
  folders = [
    *two_runs,
    write_fine_tuning("fa", {"cola": [0.1, 0.2], "sst2": [0.8, 0.9]}),
    write_fine_tuning(
      "fb", {"cola": [0.3, 0.5], "sst2": [0.7, 0.8]}, strategy="group_dro"
    ),
  ]
  report = make_report(folders)
  assert titles(report) == [
    "Read with care",
    "Worst task and mean",
    "Each task",
    "Paired tests",
    "Pre-training",
    "Cost",
    "Settings in which runs differ",
    "Runs",
  ]
  files = report.write(tmp_path / "out")
  assert {file.name for file in files} == {
    *("report.html", "report.md", "report.json", "report.png"),
    *("tasks.png", "average_against_worst.png"),
  }
  values = json.loads((tmp_path / "out/report.json").read_text())
  assert values["downstream"]["methods"][1]["scores"] == [
    [0.3, 0.7],
    [0.5, 0.8],
  ]
  assert values["downstream"]["random"] is None
  assert [run["worst_task_loss"] for run in values["upstream"]] == [6, 5]
  text = (tmp_path / "out/report.html").read_text()
  assert text.count("<img") == 3


def test_without_a_random_initialisation_it_says_so(write_fine_tuning):
  report = make_report([write_fine_tuning("a", {"cola": [0.1]})])
  text = "\n".join(map(str, of_title(report, "Worst task and mean")))
  assert "No normalised score: it needs" in text


def test_unfinished_runs_are_named_and_left_out(write_run):
  config = {"minimax": {"strategy": "uniform"}, "num_steps": 10}
  done, late = (
    ([[8, 6], [7, 3]], [[0.5, 0.5], [0.5, 0.5]]),
    ([[8], [7]], [[0.5], [0.5]]),
  )
  folders = [
    write_run("whole", *done, config=config),
    write_run("half", *late, config=config),
  ]
  report = make_report(folders)
  assert report.values["left_out"] == [f"{folders[1]} is not finished"]
  assert [run["run"] for run in report.values["upstream"]] == ["whole"]
  # Alone, it is looked at, and said to be what it is.
  report = make_report(folders[1:])
  assert report.values["left_out"] == []
  assert report.values["warnings"] == [f"{folders[1]} is not finished: step 0."]


def test_runs_of_other_tasks_are_compared_apart(write_run):
  ones = [[1, 1], [1, 1]]
  folders = [
    write_run("a", ones, ones),
    write_run("b", ones, ones, task_names=("x", "y")),
  ]
  report = make_report(folders)
  assert titles(report).count("Pre-training") == 2
  assert "the runs have different tasks" not in report.text


def test_replicates_are_averaged_by_method(write_run):
  weights = [[0.5], [0.5]]
  folders = [
    write_run(
      f"{strategy}{seed}",
      [[loss], [1.0]],
      weights,
      seed=seed,
      config={"minimax": {"strategy": strategy}, "seed": seed},
    )
    for strategy, losses in (("uniform", (4, 5, 6)), ("cvar", (3, 3, 3)))
    for seed, loss in enumerate(losses)
  ]
  report = make_report(folders)
  tables = [b for b in of_title(report, "Pre-training") if hasattr(b, "rows")]
  assert tables[0].header == ["task", "uniform", "cvar"]
  nouns = tables[0].rows[0]
  assert nouns == ["nouns", "5.000 [4.000, 6.000]", "3.000 [3.000, 3.000]"]
  assert tables[0].best[0] == {2}
  assert report.values["warnings"] == []


def test_unequal_runs_are_warned_of(write_run):
  folders = [
    write_run(
      f"run{steps}",
      [[2], [1]],
      [[0.5], [0.5]],
      config={
        "minimax": {"strategy": "uniform"},
        "num_steps": 0,
        "batch_size": steps,
      },
    )
    for steps in (8, 16)
  ]
  report = make_report(folders)
  line = (
    "Unequal budgets: batch_size is 8 (uniform batch_size=8); 16 (uniform "
    "batch_size=16)."
  )
  assert line in report.values["warnings"]
  rows = report.values["settings"]["rows"]
  assert rows == [["pre-training: batch_size", "8", "16"]]


def test_cost_by_hand(write_run, write_fine_tuning):
  config = {"minimax": {"strategy": "uniform"}, "batch_size": 4}
  folder = write_run(
    "a", [[2, 1], [1, 1]], [[0.5, 0.5], [0.5, 0.5]], config=config
  )
  rows = [
    {"step": step, "seconds": 1.0, "examples_per_second": rate}
    for step, rate in ((5, 10.0), (10, 20.0))
  ]
  (folder / "timing.jsonl").write_text(
    "".join(json.dumps(r) + "\n" for r in rows)
  )
  tuned = write_fine_tuning("b", {"cola": [0.1], "sst2": [0.2]})
  costs = make_report([folder, tuned]).values["costs"]
  assert costs[0]["rows"] == [
    ["uniform", "1,000", "200", "2,000,000", "4", "1.00x"]
  ]
  # 5 steps of 4 rows at 10 a second, 5 at 20.
  assert costs[1]["rows"] == [["uniform", "40", "-", "3", "1.00x"]]


def test_a_folder_that_is_neither_is_refused(tmp_path):
  with pytest.raises(InputError, match="manifest.json: No such file"):
    make_report([str(tmp_path)])
