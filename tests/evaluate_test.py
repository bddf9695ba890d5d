"""The program `evaluate`: the numbers of the run, or what is missing."""

import re

import pytest

from tests import programs

NUMBERS = re.compile(r"^  (\w+) +loss +([\d.]+)(?:  accuracy +([\d.]+)%  of )?")


@pytest.fixture(scope="module")
def whole():
  return programs.finished()


def everything(folder):
  return {
    str(file.relative_to(folder)): file.stat().st_mtime_ns
    for file in folder.rglob("*")
  }


def evaluate(whole, *calls):
  """Results of calls that are given other flags."""
  flags = {"workdir": whole.run, "data_dir": whole.data}
  return programs.run_each(
    "evaluate",
    ["workdir", "data_dir"],
    [[f"--{k}={v}" for k, v in (flags | call).items()] for call in calls],
  )


def test_it_prints_the_numbers_of_the_run_and_writes_nothing(whole):
  before = everything(whole.run)
  steps = [programs.LAST, programs.LAST - 20]
  results = evaluate(whole, {}, {"step": steps[1]})
  for step, (code, out, err) in zip(steps, results):
    assert code == 0, err
    assert f"held-out, step {step}\n" in out
    (row,) = [
      row
      for row in programs.rows_of(whole.run)
      if row["step"] == step and "eval/worst_task_loss" in row
    ]
    printed = dict(
      (name, (loss, accuracy))
      for name, loss, accuracy in (
        match.groups() for match in map(NUMBERS.match, out.splitlines()) if match
      )
    )
    names = [key[10:] for key in row if key.startswith("eval/loss/")]
    assert list(printed) == [*names, "worst", "mean"]
    for name in names:
      loss, accuracy = printed[name]
      assert loss == f"{row[f'eval/loss/{name}']:.4f}"
      assert accuracy == f"{100 * row[f'eval/accuracy/{name}']:.1f}"
      assert f"of {row[f'eval/count/{name}']:,.0f}\n" in out
    assert printed["worst"][0] == f"{row['eval/worst_task_loss']:.4f}"
    assert printed["mean"][0] == f"{row['eval/mean_task_loss']:.4f}"
  assert everything(whole.run) == before


def test_what_is_missing_is_named(whole, tmp_path):
  (tmp_path / "empty").mkdir()
  (tmp_path / "new").mkdir()
  manifest = (whole.run / "manifest.json").read_bytes()
  (tmp_path / "new/manifest.json").write_bytes(manifest)
  cases = [
    ({"workdir": tmp_path / "none"}, "none is no run: it has no manifest.json"),
    ({"workdir": tmp_path / "empty"}, "empty is no run: it has no manifest"),
    ({"workdir": tmp_path / "new"}, "new holds no checkpoint yet"),
    ({"step": 17}, "has no checkpoint of step 17; it has "),
    ({"step": "x"}, "step"),
    ({"data_dir": tmp_path / "empty"}, "holds no complete dataset"),
  ]
  results = evaluate(whole, *(changes for changes, _ in cases))
  for (changes, message), (code, _, err) in zip(cases, results):
    assert code == 2, (changes, err)
    assert message in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
  assert [file.name for file in (tmp_path / "new").iterdir()] == [
    "manifest.json"
  ]
