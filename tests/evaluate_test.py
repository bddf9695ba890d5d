"""The program `evaluate`: the numbers of the run, or what is missing."""

import json
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


STEPS = (programs.LAST, programs.LAST - 20)
# Flags that are changed, and what the message must say.
CASES = [
  ({"workdir": "{tmp}/none"}, "none is no run: it has no manifest.json"),
  ({"workdir": "{tmp}/empty"}, "empty is no run: it has no manifest"),
  ({"workdir": "{tmp}/new"}, "new holds no checkpoint yet"),
  ({"step": 17}, "has no checkpoint of step 17; it has "),
  ({"step": "x"}, "--step=x"),
  ({"data_dir": "{tmp}/empty"}, "holds no complete dataset"),
]


OTHER_TASKS = (
  programs.config(":ordinary,strategy=uniform"),
  programs.config(":ordinary,strategy=uniform", model__width=16),
)


@pytest.fixture(scope="module")
def results(whole, tmp_path_factory):
  """(exit code, standard output, standard error) of every call."""
  folder = tmp_path_factory.mktemp("folder")
  (folder / "empty").mkdir()
  (folder / "new").mkdir()
  manifest = (whole.run / "manifest.json").read_bytes()
  (folder / "new/manifest.json").write_bytes(manifest)
  calls = []
  out = tmp_path_factory.mktemp("out") / "judged.json"
  judged = {"second_half": True, "out": out}
  asked = ({}, {"step": STEPS[1]}, *(case for case, _ in CASES), judged)
  for changes, more in (
    *((changes, ()) for changes in asked),
    *(({}, more) for more in OTHER_TASKS),
  ):
    flags = {"workdir": whole.run, "data_dir": whole.data, **changes}
    calls.append(
      [f"--{k}={str(v).format(tmp=folder)}" for k, v in flags.items()] + [*more]
    )
  before = everything(whole.run) | everything(folder)
  found = programs.run_each("evaluate", ["workdir", "data_dir"], calls)
  assert everything(whole.run) | everything(folder) == before
  assert json.loads(out.read_text())["step"] == programs.LAST
  return found


def test_it_prints_the_numbers_of_the_run(whole, results):
  for step, (code, out, err) in zip(STEPS, results):
    assert code == 0, err
    assert f"held-out, step {step}\n" in out
    (row,) = [
      row
      for row in programs.rows_of(whole.run)
      if row["step"] == step and "eval/worst_task_loss" in row
    ]
    printed = {
      name: (loss, accuracy)
      for name, loss, accuracy in (
        match.groups()
        for match in map(NUMBERS.match, out.splitlines())
        if match
      )
    }
    names = [key[10:] for key in row if key.startswith("eval/loss/")]
    assert list(printed) == [*names, "worst", "mean"]
    for name in names:
      loss, accuracy = printed[name]
      assert loss == f"{row[f'eval/loss/{name}']:.4f}"
      assert accuracy == f"{100 * row[f'eval/accuracy/{name}']:.1f}"
      assert f"of {row[f'eval/count/{name}']:,.0f}\n" in out
    assert printed["worst"][0] == f"{row['eval/worst_task_loss']:.4f}"
    assert printed["mean"][0] == f"{row['eval/mean_task_loss']:.4f}"


def test_the_second_half_is_other_rows(results):
  (_, out, _), *_, (code, of_half, err), _, _ = results
  assert code == 0, err
  seen, of_both = ((NUMBERS.findall(x), x.splitlines()) for x in (of_half, out))
  assert [x[0] for x in seen[0]] == [x[0] for x in of_both[0]]
  assert seen[1] != of_both[1]


def test_the_tasks_may_be_those_of_another_config(whole, results):
  (code, out, err), (other, _, message) = results[-2:]
  assert code == 0, err
  names = [match[1] for match in map(NUMBERS.match, out.splitlines()) if match]
  assert names == ["all", "worst", "mean"]
  assert other == 2
  assert re.search(
    r"^error: --config has another model than the run: model.width is 16, of "
    r"the run 8$",
    message.strip(),
  )


def test_what_is_missing_is_named(results):
  for (changes, message), (code, _, err) in zip(CASES, results[2:]):
    assert code == 2, (changes, err)
    assert message in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
