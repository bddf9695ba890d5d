"""The program `check_run`: what is whole, what is not, who works there."""

import os
import shutil

import pytest

from taskrobust_jax import check_run, errors, lock
from taskrobust_jax.errors import InputError
from taskrobust_jax.train import loop
from taskrobust_jax.train.folder import RunFolder
from tests import programs
from tests.train import toy


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """A finished run with checkpoints at 4 and 8."""
  path = tmp_path_factory.mktemp("run")
  experiment = toy.small_experiment(
    num_steps=8, log_every=2, evaluation__every=4, checkpoint__every=4
  )
  with RunFolder(path, experiment) as folder:
    assert loop.train(experiment, folder) == errors.DONE
  return path


def contents(path):
  return {x: x.stat().st_mtime_ns for x in path.rglob("*")}


def check(path, capsys):
  """(exit code, lines); nothing is changed."""
  before = contents(path)
  code = check_run.main([str(path)])
  assert contents(path) == before
  return code, capsys.readouterr().out.splitlines()


def test_a_whole_run(run, capsys):
  code, lines = check(run, capsys)
  assert code == errors.DONE
  assert lines[:3] == [f"run   {run}", "lock  free", "rows  to step 8"]
  last = [r for r in programs.rows_of(run) if "eval/worst_task_loss" in r][-1]
  worst, mean = (last[f"eval/{x}_task_loss"] for x in ("worst", "mean"))
  for step, line in zip((4, 8), lines[3:5]):
    assert line.startswith(f"step  {step}: whole, worst ")
    weights = line.split("; weights ")[1].split()
    assert weights[::2] == list(toy.Squares.task_names)
    assert abs(sum(map(float, weights[1::2])) - 1) < 0.01
  assert f"worst {worst:.4f}, mean {mean:.4f}" in lines[4]
  assert lines[5:] == ["all is whole"]


# TensorStore answers an event loop that the failed read has closed.
@pytest.mark.filterwarnings(
  "ignore:Exception ignored in. None:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize(
  ("hurt", "line"),
  [
    (
      lambda p: (p / "checkpoints/8/manifest/metadata").unlink(),
      "step  8: DAMAGED: checkpoint ",
    ),
    (
      lambda p: (p / "checkpoints/4/metrics/metrics").write_text("["),
      "step  4: DAMAGED: checkpoint ",
    ),
    (lambda p: (p / "metrics.jsonl").unlink(), "rows  DAMAGED: cannot read"),
    (
      lambda p: (p / "metrics.jsonl").write_text('{"step": 0}\n'),
      "does not begin with the rows that it had at step 4",
    ),
    (
      lambda p: [x.unlink() for x in p.glob("checkpoints/8/state/**/d/*")],
      "step  8: DAMAGED: checkpoint ",
    ),
    (
      lambda p: shutil.copytree(p / "checkpoints/8", p / "checkpoints/9"),
      "its manifest is of step 8",
    ),
    (
      lambda p: (p / "manifest.json").write_text('{"config": {}}'),
      "is of another run: its config is not that of",
    ),
  ],
)
def test_damage_is_named_and_code_2(run, tmp_path, capsys, hurt, line):
  path = tmp_path / "run"
  shutil.copytree(run, path)
  hurt(path)
  code, lines = check(path, capsys)
  assert code == errors.BAD_INPUT
  assert any(line in x for x in lines), lines
  assert lines[-1].startswith("DAMAGED: ")


def test_who_works_there_and_what_lies_about(run, tmp_path, capsys):
  path = tmp_path / "run"
  shutil.copytree(run, path)
  (path / "checkpoints/9.orbax-checkpoint-tmp").mkdir()
  (path / "set_aside/7").mkdir(parents=True)
  with lock.held(path):
    code, lines = check_run.main([str(path)]), None
    lines = capsys.readouterr().out.splitlines()
  assert code == errors.DONE
  assert lines[1].startswith(f"lock  process {os.getpid()} on ")
  assert "also  1 unfinished: 9.orbax-checkpoint-tmp" in lines
  assert "also  set aside: 7" in lines


def test_no_run_is_refused(tmp_path):
  with pytest.raises(InputError, match="is no run: it has no manifest.json"):
    check_run.main([str(tmp_path)])
  with pytest.raises(InputError, match="give a run's folder, or several"):
    check_run.main([])


def test_the_program(run, tmp_path):
  path = tmp_path / "run"
  shutil.copytree(run, path)
  code, out, err = programs.run("check_run", str(path))
  assert (code, err) == (0, "")
  (path / "metrics.jsonl").write_text("")
  code, out, err = programs.run("check_run", str(path), str(run))
  assert code == 2
  assert "DAMAGED" in out
  assert "all is whole" in out  # The second one.
