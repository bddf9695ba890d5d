"""Which runs are replicates of one method."""

from taskrobust_jax.report import methods
from taskrobust_jax.report.read import read_run


def test_runs_with_other_tasks_are_no_replicates(write_run):
  runs = [
    write_run(
      f"{budget}{seed}",
      [[8, 6], [7, 3]],
      [[0.5, 0.5], [0.5, 0.5]],
      config={"minimax": {"strategy": "uniform"}, "tasks": {"budget": budget}},
      seed=seed,
    )
    for budget in ("rows", "every_row")
    for seed in (0, 1)
  ]
  found = methods.of_runs([read_run(run) for run in runs])
  assert [len(method.runs) for method in found] == [2, 2]
  assert [m.settings["tasks.budget"] for m in found] == ["rows", "every_row"]
