"""The program `calibrate`: references from one run, or from one a task."""

import json
import re

import pytest

from taskrobust_jax.train import references
from tests import programs

TASKS = ["function_words", "modifiers", "nouns", "verbs"]
SHORT = {"num_steps": 40, "log_every": 2, "evaluation__every": 20}


@pytest.fixture(scope="module")
def whole():
  return programs.finished()


def calibrate(whole, folder, how):
  flags = programs.config(
    data__train_path=whole.folder / "all.conllu",
    **SHORT,
    optimizer__warmup_steps=4,
  )
  code, out, err = programs.run(
    "calibrate",
    *flags,
    f"--data_dir={whole.data}",
    f"--workdir={folder / 'runs'}",
    f"--out={folder / 'references.json'}",
    f"--how={how}",
  )
  assert code == 0, err
  return out, references.read(folder / "references.json")


def test_references_of_one_averaged_run(whole, tmp_path):
  out, made = calibrate(whole, tmp_path, "averaged")
  assert f"wrote {tmp_path / 'references.json'}" in out
  assert [file.name for file in (tmp_path / "runs").iterdir()] == ["averaged"]
  assert made.made_from["task_names"] == TASKS
  # 20 rows in fours of 5: steps 2 to 10 show the losses before 1 to 9 updates.
  assert made.curves["train"].steps == (5, 15, 25, 35)
  assert made.curves["held_out"].steps == (0, 20, 40)
  rows = programs.rows_of(tmp_path / "runs/averaged")
  last = [row for row in rows if "eval/loss/nouns" in row][-1]
  assert made.curves["held_out"].losses[-1] == tuple(
    last[f"eval/loss/{name}"] for name in TASKS
  )
  first = [r["train/loss/verbs"] for r in rows if r.get("train/loss/verbs")][:5]
  assert made.curves["train"].losses[0][3] == pytest.approx(sum(first) / 5)

  assert sum(made.shares) == pytest.approx(1)
  for k in range(len(TASKS)):
    assert made.cosines[k][k] == pytest.approx(1)
    assert all(abs(value) < 1.001 for value in made.cosines[k])
  assert re.search(rf"^nouns +{made.shares[2]:.1%} .* 1\.000", out, re.M), out

  # They are what another run's excess is measured from; only of its kind.
  text = f":signal=excess_over,reference_losses={tmp_path / 'references.json'}"
  flags = programs.run_flags(whole.folder, tmp_path / "run", text, **SHORT)
  (_, out, err), (code, _, refused) = programs.run_each(
    "pretrain",
    ["config", "data_dir", "workdir"],
    [
      [*flags, "--config.optimizer.warmup_steps=4"],
      [
        *flags,
        f"--workdir={tmp_path / 'other'}",
        "--config.model.mlp_width=16",
      ],
    ],
  )
  assert "step 40  held-out" in out, err
  assert code == 2
  assert "do not fit this run: their model.mlp_width is 8, not 16" in refused
  # To read that run they are not needed.
  (tmp_path / "references.json").unlink()
  ((code, out, err),) = programs.run_each(
    "evaluate",
    ["workdir"],
    [[f"--workdir={tmp_path / 'run'}", f"--data_dir={whole.data}"]],
  )
  assert code == 0, err
  assert "held-out, step 40" in out


@pytest.mark.ci
def test_references_of_a_run_for_each_task(whole, tmp_path):
  _, made = calibrate(whole, tmp_path, "single")
  for k, name in enumerate(TASKS):
    workdir = tmp_path / f"runs/single_{name}"
    rows = programs.rows_of(workdir)
    trained = [row for row in rows if f"train/loss/{name}" in row]
    for other in TASKS:
      weights = {row[f"train/weight/{other}"] for row in trained}
      assert weights == {float(other == name)}
    last = [row for row in rows if f"eval/loss/{name}" in row][-1]
    assert made.curves["held_out"].losses[-1][k] == last[f"eval/loss/{name}"]
  config = json.loads((workdir / "manifest.json").read_text())["config"]
  assert config["minimax"]["weights"] == [0, 0, 0, 1]
