"""The program `pretrain`: killed and started again, and bad input."""

import json
import os
import re
import signal
import time

import pytest

from tests import programs


@pytest.fixture(scope="module")
def whole():
  return programs.finished()


def manifest_of(workdir, step=programs.LAST):
  file = workdir / f"checkpoints/{step}/manifest/metadata"
  return json.loads(file.read_text())


def saved_steps(workdir):
  folder = workdir / "checkpoints"
  names = [file.name for file in folder.iterdir()] if folder.exists() else []
  return sorted(int(name) for name in names if name.isdigit())


def test_what_a_run_writes_and_prints(whole):
  assert f"wrote {whole.run}" in whole.out
  # The table of parameters, the first evaluation, the progress line.
  assert "Total:" in whole.out
  assert "step 0  held-out: worst 4." in whole.out
  line = r"step +160/160  loss \d\.\d{3}  worst \w+ \d\.\d{3}  [\d,]+ examples"
  assert re.search(line, whole.out)
  rows = programs.rows_of(whole.run)
  assert {row["step"] for row in rows} == set(range(0, 161, 5))
  assert rows[-1]["eval/worst_task_loss"] < rows[0]["eval/worst_task_loss"] - 1
  manifest = json.loads((whole.run / "manifest.json").read_text())
  # Configs are sorted by name.
  assert manifest["task_names"] == [
    "function_words",
    "modifiers",
    "nouns",
    "verbs",
  ]
  assert manifest["config"]["model"]["width"] == 8


def test_a_killed_run_ends_as_one_that_was_not(whole, tmp_path):
  workdir = tmp_path / "run"
  flags = programs.run_flags(whole.folder, workdir)
  process = programs.start("pretrain", *flags)
  end = time.monotonic() + 200
  while not saved_steps(workdir) and time.monotonic() < end:
    assert process.poll() is None, process.stderr.read()
    time.sleep(0.002)
  process.send_signal(signal.SIGKILL)
  process.communicate()
  reached = saved_steps(workdir)[-1]
  assert 20 <= reached < programs.LAST
  # It is stopped once more, as a machine that is taken away does it.
  process = programs.start("pretrain", *flags)
  for line in process.stdout:
    if line.startswith("step "):
      break
    begins = ("process 0 of 1", "continues at step", "takes over ")
    assert line.startswith(begins)
  process.send_signal(signal.SIGTERM)
  out, err = process.communicate()
  assert process.returncode == 75, err
  stop = int(re.search(r"stopped and saved at step (\d+) of 160", out)[1])
  assert stop in saved_steps(workdir)
  code, out, err = programs.run("pretrain", *flags)
  assert code == 0, err
  assert f"continues at step {stop} of 160" in out
  for name in ("metrics.jsonl", "manifest.json"):
    assert (workdir / name).read_bytes() == (whole.run / name).read_bytes()
  assert manifest_of(workdir) == manifest_of(whole.run)
  assert manifest_of(workdir)["digests"]


def everything(folder):
  return {
    str(file.relative_to(folder)): file.stat().st_mtime_ns
    for file in folder.rglob("*")
  }


# Flags that are changed, and what the message must say.
CASES = [
  ({"num_step": 3}, 'Did you mean "num_steps" instead'),
  ({"modle.width": 3}, 'Did you mean "model"'),
  ({"num_steps": "many"}, "num_steps=many"),
  ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
  (
    {"batch_size": 30},
    "4 tasks x data 1 x fsdp 1 = 4, got 30; the nearest is 28 or",
  ),
  ({"minimax.strategy": "uniform"}, "--config=FILE:strategy=uniform"),
  ({"minimax.step_size": -0.1}, "step_size must be in [0, inf), got -0.1"),
  ({"minimax.step_size": "nan"}, "step_size must be in [0, inf), got nan"),
  ({"text": ":strategy=miror_ascent"}, "did you mean 'mirror_ascent'?"),
  ({"text": ":strategy=upgrad"}, "Legal: uniform, fixed, mirror_ascent"),
  ({"text": ":signal=emma"}, "did you mean 'ema'?"),
  (
    {"text": ":signal=excess_over,reference_losses={tmp}/none.json"},
    "references {tmp}/none.json cannot be read",
  ),
  (
    {"text": ":signal=held_out,held_out_every=9", "evaluation.max_rows": 0},
    "signal held_out needs rows that evaluation leaves",
  ),
  (
    {"checkpoint.on_error": "maybe"},
    "checkpoint.on_error must be in ('stop', 'continue'), got 'maybe'",
  ),
  (
    {"optimizer.skip_norm_above": 0.5},
    "skip_norm_above must be in (1, inf] or 0 for never, got 0.5",
  ),
  (
    {"optimizer.max_non_finite_in_a_row": 0},
    "max_non_finite_in_a_row must be a whole number >= 1, got 0",
  ),
  ({"evaluation.patience": -1}, "evaluation.patience must be a whole number"),
  (
    {"data_dir": "gs://bucket/data"},
    "gs://bucket/data is no folder; mount the bucket",
  ),
  ({"text": ":step_sise=1"}, "did you mean 'step_size'?"),
  ({"text": ":step_size=nan"}, "step_size must be in [0, inf), got nan"),
  (
    {"text": ":strategy=softmax_weighted,temperature=0"},
    "temperature must be in (0, inf), got 0",
  ),
  ({"tasks.groups.nouns": "('NOUN','VREB')"}, "did you mean 'VERB'?"),
  (
    {"tasks.groups.nouns": "('NOUN','VERB')"},
    "groups 'nouns' and 'verbs' overlap: both hold 'VERB'",
  ),
  ({"tasks.groups.nouns": "('SYM',)"}, "group 'nouns' (SYM) matches no word"),
  ({"data.row_length": 32}, "row_length: the config says 32; the rows in"),
  ({"data.digest": "abc"}, "digest: the config says abc; the dataset in"),
  ({"data_dir": "{tmp}/none"}, "{tmp}/none is no folder"),
  ({"data_dir": None}, "--data_dir must have a value"),
  ({"config": "{tmp}/none.py"}, "none.py"),
  ({"workdir": "{run}", "seed": 1}, "holds another run: config.seed is 0"),
  ({"workdir": "{data}"}, "holds files but no manifest.json"),
  ({"workdir": "{tmp}/file/run"}, "{tmp}/file/run cannot be written"),
  ({"workdir": "/proc/run"}, "workdir /proc/run cannot be written"),
  ({"workdri": "x"}, "Did you mean: workdir"),
]


def test_bad_input_is_one_line_and_code_2_and_changes_nothing(whole, tmp_path):
  (tmp_path / "file").write_text("x")
  places = {"tmp": tmp_path, "run": whole.run, "data": whole.data}
  calls = []
  for changes, _ in CASES:
    changes = {
      key: value.format(**places) if isinstance(value, str) else value
      for key, value in changes.items()
    }
    flags = {
      "config": f"{programs.ROOT}/configs/pos_bert_smoke.py",
      "data_dir": whole.data,
      "workdir": tmp_path / "new",
    }
    own = {key: changes.pop(key) for key in list(changes) if key in flags}
    flags["config"] += changes.pop("text", "")
    flags |= own
    call = [f"--{k}={v}" for k, v in flags.items() if v is not None]
    call += programs.SMALL
    call.append(f"--config.data.train_path={whole.folder / 'all.conllu'}")
    for key, value in changes.items():
      prefix = "" if key == "workdri" else "config."
      call.append(f"--{prefix}{key}={value}")
    calls.append(call)
  # The last call may begin, and its disk refuses the rows of metrics.jsonl.
  refused = tmp_path / "refused"
  calls.append(
    programs.run_flags(
      whole.folder, refused, log_every=1, checkpoint__every=160
    )
  )
  before = everything(whole.folder)
  *results, (code, _, err) = programs.run_each(
    "pretrain",
    ["config", "data_dir", "workdir"],
    calls,
    largest_files={len(calls) - 1: 10_000},
  )
  # What the compiler's cache is refused is a warning of its own.
  (line,) = [x for x in err.splitlines() if "cache" not in x.lower()]
  assert line == f"error: [Errno 27] File too large: '{refused}/metrics.jsonl'"
  assert code == 1
  for (changes, message), (code, out, err) in zip(CASES, results):
    assert code == 2, (changes, out, err)
    assert message.format(**places) in err, changes
    assert err.startswith("error: "), changes
    assert len(err.splitlines()) == 1, changes
    assert "step 0" not in out, changes
  assert everything(whole.folder) == before
  assert {file.name for file in tmp_path.iterdir()} == {"file", "refused"}


def test_a_dry_run_tells_the_plan_and_writes_nothing(whole, tmp_path):
  before = everything(whole.folder)
  calls = [
    [*programs.run_flags(whole.folder, workdir), "--dry_run"]
    for workdir in (tmp_path / "new", whole.run, whole.data)
  ]
  new, old, other = programs.run_each(
    "pretrain", ["config", "data_dir", "workdir"], calls
  )
  for (code, out, err), where in (
    (new, f"{tmp_path}/new: would begin there"),
    (old, f"{whole.run}: would go on from step {programs.LAST}"),
  ):
    assert code == 0, err
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert lines["tasks"] == "4: function_words, modifiers, nouns, verbs"
    assert lines["steps"].startswith("160 of 8 rows: 1,280 examples; ")
    total = re.search(r"Total: ([\d,]+)", whole.out)[1]
    assert lines["model"].startswith(f"{total} params, ")
    assert re.match(r"first step [\d.]+ s, then [\de.-]+ s each", lines["time"])
    assert lines["workdir"] == where
  assert other[0] == 2
  assert "holds files but no manifest.json" in other[2]
  assert everything(whole.folder) == before
  assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write")
def test_a_read_only_workdir_is_one_line_and_code_2(whole, tmp_path):
  tmp_path.chmod(0o555)
  flags = programs.run_flags(whole.folder, tmp_path)
  ((code, _, err),) = programs.run_each(
    "pretrain", ["config", "data_dir", "workdir"], [flags]
  )
  tmp_path.chmod(0o755)
  assert code == 2
  assert f"workdir {tmp_path} cannot be written" in err
