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


@pytest.fixture
def write_fine_tuning(tmp_path):
  """Returns a function that writes a folder of fine-tunings and returns it.

  `scores` maps a task, or (task, size), to a score for each of the seeds
  0, 1, 2, ...; None leaves one unfinished. `result` changes every result.
  """

  def write(name, scores, init="run", seed=0, strategy="uniform", **changes):
    folder = tmp_path / name
    result = changes.pop("result", {})
    pretrained = {
      "workdir": f"/runs/{name}",
      "init": init,
      "step": 10,
      "strategy": strategy,
      "seed": seed,
      "num_examples": 0 if init == "random" else 1000,
      "data_digest": "d1",
      "config": None,
    } | changes.pop("pretrained", {})
    manifest = {
      "kind": "finetune",
      "pretrained": pretrained,
      "config": {"learning_rate": 0.1},
      "selection": "the last step",
      "versions": {"jax": "1"},
      "device_kinds": ["cpu"],
    } | changes
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for task, values in scores.items():
      task, size = task if isinstance(task, tuple) else (task, 0)
      for number, score in enumerate(values):
        place = folder / task / (str(size) if size else "all")
        place = place / f"seed{number}"
        place.mkdir(parents=True)
        if score is None:
          continue
        values = {
          "task": task,
          "seed": number,
          "num_examples": size,
          "score_name": "accuracy",
          "score": score,
          "select_score": score,
          "metrics": {"accuracy": score},
          "step": 5,
          "num_steps": 5,
          "num_train_rows": 100,
          "num_eval_rows": 50,
          "mode": "full",
          "model_flops": 1e6,
          "seconds": 2.0,
        } | result
        (place / "result.json").write_text(json.dumps(values))
    return folder

  return write
