import json

import pytest


@pytest.fixture
def write_run(tmp_path):
  """Returns a function that writes a run folder of two tasks and returns it.

  Losses and weights are lists a task, one value for each of the steps
  0, 10, 20, ...; the evaluation's rows stand on lines of their own.
  """

  def write(name, losses, weights, task_names=("nouns", "verbs"), **manifest):
    folder = tmp_path / name
    folder.mkdir(parents=True)
    manifest = {
      "config": {"minimax": {"strategy": "uniform"}},
      "seed": 0,
      "data_digest": "d1",
      "task_names": list(task_names),
    } | manifest
    (folder / "manifest.json").write_text(json.dumps(manifest))
    lines = []
    for index in range(len(losses[0])):
      train, evaluation = {"step": 10 * index}, {"step": 10 * index}
      for task, loss, weight in zip(task_names, losses, weights, strict=True):
        train[f"train/weight/{task}"] = weight[index]
        evaluation[f"eval/loss/{task}"] = loss[index]
        evaluation[f"eval/accuracy/{task}"] = 0.5 / loss[index]
      now = [loss[index] for loss in losses]
      evaluation["eval/worst_task_loss"] = max(now)
      evaluation["eval/mean_task_loss"] = sum(now) / len(now)
      lines += [json.dumps(train), json.dumps(evaluation)]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return folder

  return write


@pytest.fixture
def two_runs(write_run):
  """Returns the folders of a baseline and of a run whose weights move."""
  return [
    write_run("average", [[8, 6], [7, 3]], [[0.5, 0.5], [0.5, 0.5]]),
    write_run(
      "minimax",
      [[8, 5], [7, 4]],
      [[0.5, 0.75], [0.5, 0.25]],
      config={"minimax": {"strategy": "group_dro"}},
    ),
  ]
