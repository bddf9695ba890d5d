"""The loop: what it writes, and that a stop leaves no trace in it."""

import json
import os
import pathlib
import resource
import shutil
import signal
import tempfile

import jax
import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.errors import InputError
from taskrobust_jax.train import loop, profile
from taskrobust_jax.train.folder import RunFolder
from tests.train import toy

LAST = 12


@pytest.fixture(scope="module")
def experiment():
  """Saves at 4, 8, 12; evaluates at 0, 3, 6, 9 too; logs at 2, 4, 6, ..."""
  return toy.small_experiment(
    "step_size=0.5",
    num_steps=LAST,
    log_every=2,
    evaluation__every=3,
    checkpoint__every=4,
  )


def train(path, experiment):
  folder = RunFolder(path, experiment)
  try:
    return loop.train(experiment, folder)
  finally:
    folder.close()


def test_held_out_rows_without_a_task_say_so(experiment, tmp_path, capsys):
  def evaluate(params):
    values = experiment.evaluate(params)
    return {k: v for k, v in values.items() if "rare" not in k}

  train(tmp_path / "seen", experiment._replace(num_steps=1))
  assert "no target of" not in capsys.readouterr().out
  train(tmp_path / "run", experiment._replace(num_steps=1, evaluate=evaluate))
  assert (
    capsys.readouterr().out.count("no target of rare (evaluation.max_rows)")
    == 2
  )


def stopped_at(experiment, stops):
  """The experiment, with signals sent right after some steps."""

  def train_step(state, batch):
    state, metrics = experiment.train_step(state, batch)
    for number in stops.get(int(state.step), ()):
      os.kill(os.getpid(), number)
    return state, metrics

  return experiment._replace(train_step=train_step)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, experiment):
  """The folder of a run that nobody stopped."""
  path = tmp_path_factory.mktemp("whole") / "run"
  assert train(path, experiment) == errors.DONE
  return path


def final_state(path, experiment):
  folder = RunFolder(path, experiment)
  state = folder.checkpoints.restore(
    experiment.state_shapes, experiment.state_sharding
  )
  folder.close()
  return jax.device_get(state)


def saved_steps(path):
  return sorted(int(file.name) for file in (path / "checkpoints").iterdir())


def rows_of(path, name="metrics.jsonl"):
  return [json.loads(line) for line in (path / name).read_text().splitlines()]


def assert_same_run(path, whole, experiment):
  assert (path / "metrics.jsonl").read_bytes() == (
    whole / "metrics.jsonl"
  ).read_bytes()
  state = final_state(path, experiment)
  assert state.step == experiment.num_steps
  toy.assert_same_bits(state, final_state(whole, experiment))
  manifests = [
    json.loads(
      (p / f"checkpoints/{experiment.num_steps}/manifest/metadata").read_text()
    )
    for p in (path, whole)
  ]
  assert manifests[0] == manifests[1]


def test_rows_stand_at_their_steps_and_hold_what_they_should(whole):
  rows = rows_of(whole)
  evaluated = [r["step"] for r in rows if "eval/worst_task_loss" in r]
  assert evaluated == [0, 3, 4, 6, 8, 9, 12]
  trained = [r for r in rows if "train/robust_loss" in r]
  assert [r["step"] for r in trained] == [2, 4, 6, 8, 10, 12]
  # In the order of steps, a step's training before its evaluation.
  order = [(r["step"], "eval/worst_task_loss" in r) for r in rows]
  assert order == sorted(order)
  for row in trained:
    keys = [key.removeprefix("train/") for key in row]
    assert keys[-4:] == [
      "robust_loss",
      "skipped_updates",
      "learning_rate",
      "order_digest",
    ]
    for name in toy.Squares.task_names:
      count = row[f"train/predictions/{name}"]
      assert (f"train/loss/{name}" in row) == (count > 0)
      assert (row[f"train/weight/{name}"] > 0) == (count > 0)
    weights = [row[f"train/weight/{name}"] for name in toy.Squares.task_names]
    np.testing.assert_allclose(sum(weights), 1.0, rtol=1e-6)
  # The task that comes and goes did both.
  assert {r["train/predictions/rare"] > 0 for r in trained} == {True, False}
  evaluations = [r for r in rows if r["step"] == 6 and "eval/loss/first" in r]
  (row,) = evaluations
  losses = [row[f"eval/loss/{name}"] for name in toy.Squares.task_names]
  assert row["eval/worst_task_loss"] == max(losses)
  np.testing.assert_allclose(row["eval/mean_task_loss"], np.mean(losses))


def test_the_rows_are_those_of_the_step_by_hand(whole, experiment):
  state = experiment.init_state()
  rows = {r["step"]: r for r in rows_of(whole) if "train/robust_loss" in r}
  for step in range(4):
    rate = float(experiment.learning_rate(step))
    state, metrics = experiment.train_step(state, experiment.load_batch(step))
    if step + 1 in rows:
      row = rows[step + 1]
      assert row["train/loss/first"] == float(metrics.losses[0])
      assert row["train/weight/first"] == float(metrics.task_weights[0])
      assert row["train/learning_rate"] == rate
  values = experiment.evaluate(state.params)
  (row,) = [r for r in rows_of(whole) if r["step"] == 4 and "eval/" in str(r)]
  assert row == {"step": 4, **values}


def test_what_a_clock_says_stands_in_timing_alone(whole):
  timing = rows_of(whole, "timing.jsonl")
  assert [row["step"] for row in timing] == [2, 4, 6, 8, 10, 12]
  for row in timing:
    assert row.keys() == {"step", "seconds", "examples_per_second"}


def test_checkpoints_stand_at_their_steps(whole):
  rows = rows_of(whole)
  losses = {
    row["step"]: row["eval/worst_task_loss"]
    for row in rows
    if row["step"] in (4, 8, 12) and "eval/worst_task_loss" in row
  }
  best = min(losses, key=losses.get)
  assert saved_steps(whole) == sorted({8, 12, best})


@pytest.mark.parametrize(
  ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)]
)
# At a save, at an evaluation, at neither, at the very first step.
@pytest.mark.parametrize("stop", [4, 6, 7, 1])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(
  tmp_path, experiment, whole, capsys, number, code, stop
):
  path = tmp_path / "run"
  assert train(path, stopped_at(experiment, {stop: [number]})) == code
  assert saved_steps(path)[-1] == stop
  assert f"stopped and saved at step {stop} of 12" in capsys.readouterr().out
  assert train(path, experiment) == errors.DONE
  assert f"continues at step {stop} of 12" in capsys.readouterr().out
  assert_same_run(path, whole, experiment)


def test_stopped_again_and_again(tmp_path, experiment, whole):
  path = tmp_path / "run"
  stops = {step: [signal.SIGTERM] for step in range(1, LAST)}
  codes = []
  while not codes or codes[-1]:
    codes.append(train(path, stopped_at(experiment, stops)))
  assert codes == [75] * (LAST - 1) + [0]
  assert_same_run(path, whole, experiment)


def test_a_stop_at_the_last_step_is_the_end(tmp_path, experiment, whole):
  path = tmp_path / "run"
  stopped = stopped_at(experiment, {LAST: [signal.SIGTERM]})
  assert train(path, stopped) == errors.DONE
  assert_same_run(path, whole, experiment)


class CrashError(Exception):
  """Stands in for a kill."""


def crashing(experiment, at):
  def load_batch(step):
    if step == at:
      raise CrashError
    return experiment.load_batch(step)

  return experiment._replace(load_batch=load_batch)


@pytest.mark.parametrize("at", [3, 5, 11])
def test_rows_past_the_last_checkpoint_are_cut(tmp_path, experiment, whole, at):
  path = tmp_path / "run"
  with pytest.raises(CrashError):
    train(path, crashing(experiment, at))
  with (path / "metrics.jsonl").open("a") as file:
    file.write('{"step": 99, "train/robu')  # A kill while a row is written.
  assert train(path, experiment) == errors.DONE
  assert_same_run(path, whole, experiment)
  steps = [row["step"] for row in rows_of(path, "timing.jsonl")]
  assert steps == sorted(set(steps))


def test_a_second_interrupt_stops_at_once(tmp_path, experiment, whole):
  path = tmp_path / "run"
  handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
  stops = {6: [signal.SIGINT, signal.SIGINT]}
  with pytest.raises(KeyboardInterrupt):
    train(path, stopped_at(experiment, stops))
  assert saved_steps(path) == [4]
  assert handlers == [
    signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)
  ]
  assert train(path, experiment) == errors.DONE
  assert_same_run(path, whole, experiment)


def everything(path):
  return {
    str(file.relative_to(path)): (file.stat().st_mtime_ns, file.read_bytes())
    for file in path.rglob("*")
    if file.is_file()
  }


def test_a_finished_run_called_again_changes_nothing(
  tmp_path, experiment, capsys
):
  path = tmp_path / "run"
  train(path, experiment)
  before = everything(path)

  def never(*_):
    raise AssertionError("called")

  idle = experiment._replace(
    train_step=never, load_batch=never, evaluate=never, init_state=never
  )
  capsys.readouterr()
  assert train(path, idle) == errors.DONE
  assert everything(path) == before
  assert capsys.readouterr().out == "continues at step 12 of 12\n"


def test_rows_are_on_disk_before_a_checkpoint_is_begun(
  tmp_path, experiment, monkeypatch
):
  path = tmp_path / "run"
  folder = RunFolder(path, experiment)
  seen = []
  fsync, save = os.fsync, folder.checkpoints.save

  def watched_fsync(number):
    fsync(number)
    if os.path.realpath(f"/proc/self/fd/{number}").endswith("metrics.jsonl"):
      seen.append(("synced", rows_of(path)[-1]["step"]))

  def watched_save(state, *more):
    seen.append(("saved", int(state.step)))
    save(state, *more)

  monkeypatch.setattr(os, "fsync", watched_fsync)
  monkeypatch.setattr(folder.checkpoints, "save", watched_save)
  loop.train(experiment, folder)
  folder.close()
  assert seen == [(w, s) for s in (4, 8, 12) for w in ("synced", "saved")]


def test_a_disk_that_fills_up_is_named_and_the_run_can_go_on(
  tmp_path, experiment, whole
):
  path = tmp_path / "run"
  folder = RunFolder(path, experiment)
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  size = (whole / "metrics.jsonl").stat().st_size

  def train_step(state, batch):
    if int(state.step) == 6:
      folder.checkpoints.wait()
      # As a full disk does, it refuses what is written.
      resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))
    return experiment.train_step(state, batch)

  try:
    with pytest.raises(OSError, match=r"File too large: .*metrics\.jsonl"):
      loop.train(experiment._replace(train_step=train_step), folder)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    folder.close()
  assert saved_steps(path) == [4]
  assert train(path, experiment) == errors.DONE
  assert_same_run(path, whole, experiment)


def refuse_writes(folder, size):
  """As a full disk does; gives the limits before."""
  folder.checkpoints.wait()
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
  return limits


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_disk_that_fills_up_can_be_waited_out(
  tmp_path, experiment, whole, capsys
):
  path, limits = tmp_path / "run", []
  folder = RunFolder(path, experiment._replace(on_error="continue"))
  size = (whole / "metrics.jsonl").stat().st_size

  def train_step(state, batch):
    if int(state.step) == 6:
      limits.append(refuse_writes(folder, size // 2))
    if int(state.step) == 10:  # Somebody makes room.
      resource.setrlimit(resource.RLIMIT_FSIZE, limits.pop())
    return experiment.train_step(state, batch)

  with folder:
    code = loop.train(experiment._replace(train_step=train_step), folder)
  assert code == errors.DONE
  assert saved_steps(path) == [4, 12]
  out = capsys.readouterr().out
  assert "WARNING [Errno 27] File too large:" in out
  assert "goes on and tries again later" in out
  assert_same_run(path, whole, experiment)


def test_the_last_save_is_tried_though_the_one_before_it_failed(
  tmp_path, experiment, monkeypatch, capsys
):
  path = tmp_path / "run"
  folder = RunFolder(path, experiment._replace(on_error="continue"))
  wait, failures = folder.checkpoints.wait, [OSError("in the background")]

  def failing(*arguments):
    wait(*arguments)
    if failures and LAST - 4 in saved_steps(path):
      raise failures.pop()

  monkeypatch.setattr(folder.checkpoints, "wait", failing)
  with folder:
    assert loop.train(experiment, folder) == errors.DONE
  assert not failures
  assert "WARNING in the background" in capsys.readouterr().out
  assert max(saved_steps(path)) == LAST


def test_a_last_save_that_fails_is_never_done(tmp_path, experiment, whole):
  path, limits = tmp_path / "run", []
  folder = RunFolder(path, experiment._replace(on_error="continue"))

  size = (whole / "metrics.jsonl").stat().st_size // 2

  def train_step(state, batch):
    if int(state.step) == LAST - 1:
      limits.append(refuse_writes(folder, size))
    return experiment.train_step(state, batch)

  try:
    with pytest.raises(OSError, match=r"too large: .*metrics\.jsonl"):
      loop.train(experiment._replace(train_step=train_step), folder)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits.pop())
    folder.close()
  assert max(saved_steps(path)) == 8


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_lost_permission_is_said_and_older_checkpoints_stay(experiment, whole):
  with tempfile.TemporaryDirectory() as parent:
    path = pathlib.Path(parent, "run")
    path.parent.chmod(0o755)  # Nobody may look.
    folder = RunFolder(path, experiment)

    def train_step(state, batch):
      if int(state.step) == 6:
        folder.checkpoints.wait()
        os.seteuid(65534)
      return experiment.train_step(state, batch)

    try:
      with pytest.raises(OSError, match="checkpoint could not .*ermission"):
        loop.train(experiment._replace(train_step=train_step), folder)
    finally:
      os.seteuid(0)
      folder.close()
    assert saved_steps(path)[0] == 4
    assert train(path, experiment) == errors.DONE
    assert_same_run(path, whole, experiment)


def damaged_rows(path):
  """Changes a row that the first checkpoint knows."""
  file = path / "metrics.jsonl"
  lines = file.read_bytes().splitlines(keepends=True)
  file.write_bytes(b"".join([lines[0], b"garbage\n", *lines[2:]]))


def test_rows_that_a_checkpoint_knows_must_be_there(
  tmp_path, experiment, whole, capsys
):
  path = tmp_path / "run"
  assert train(path, stopped_at(experiment, {6: [signal.SIGTERM]})) == 75
  for damage in (damaged_rows, lambda p: (p / "metrics.jsonl").unlink()):
    copy = tmp_path / damage.__name__
    shutil.copytree(path, copy)
    damage(copy)
    with pytest.raises(InputError, match=r"metrics\.jsonl is damaged") as error:
      train(copy, experiment)
    assert "--restore_step=6" in str(error.value)
    capsys.readouterr()
    with RunFolder(copy, experiment) as folder:
      assert loop.train(experiment, folder, 6) == errors.DONE
    out = capsys.readouterr().out
    assert "rows are lost" in out
    assert "continues at step 6 of 12" in out
    rows = rows_of(copy)
    assert rows == [row for row in rows_of(whole) if row in rows]
    assert {row["step"] for row in rows} >= {8, 9, 10, 12}
    toy.assert_same_bits(
      final_state(copy, experiment), final_state(whole, experiment)
    )


def test_an_older_step_gives_the_same_run(tmp_path, experiment, whole, capsys):
  path = tmp_path / "run"
  shutil.copytree(whole, path)
  first = saved_steps(path)[0]
  with RunFolder(path, experiment) as folder:
    assert loop.train(experiment, folder, first) == errors.DONE
    with pytest.raises(InputError, match="has no checkpoint of step 5"):
      loop.train(experiment, folder, 5)
  assert f"continues at step {first} of 12" in capsys.readouterr().out
  assert_same_run(path, whole, experiment)


def test_a_run_goes_on_on_another_mesh(tmp_path, experiment, whole):
  path = tmp_path / "run"
  stopped = stopped_at(experiment, {6: [signal.SIGTERM]})
  assert train(path, stopped) == errors.PREEMPTED
  other = toy.small_experiment(
    "step_size=0.5",
    devices=jax.devices()[:1],
    num_steps=LAST,
    log_every=2,
    evaluation__every=3,
    checkpoint__every=4,
  )
  assert train(path, other) == errors.DONE
  for a, b in zip(rows_of(path), rows_of(whole), strict=True):
    assert a.keys() == b.keys()
    np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-5)
    assert a.get("train/order_digest") == b.get("train/order_digest")


def test_a_plateau_ends_the_run_and_stays_its_end(tmp_path, experiment):
  # Nothing is learnt, so that no evaluation after the first is better.
  still = experiment._replace(
    evaluate=lambda params: {
      "eval/worst_task_loss": 1.0,
      "eval/mean_task_loss": 1.0,
    },
    patience=2,
  )
  path = tmp_path / "run"
  # Evaluated at 0, 3 and 4.
  for _ in range(2):
    assert train(path, still) == errors.DONE
    assert saved_steps(path) == [4]
    assert rows_of(path)[-1]["step"] == 4


def test_a_stop_does_not_make_a_plateau_forget(tmp_path, experiment):
  evaluate = lambda params: {
    "eval/worst_task_loss": 1.0,
    "eval/mean_task_loss": 1.0,
  }
  still = experiment._replace(evaluate=evaluate, patience=3)
  path = tmp_path / "run"
  stopped = stopped_at(still, {4: [signal.SIGTERM]})
  assert train(path, stopped) == errors.PREEMPTED
  assert train(path, still) == errors.DONE
  # Evaluated at 0, 3, 4 and 6.
  assert max(saved_steps(path)) == 6


def test_the_regret_bound_is_logged_for_plain_mirror_ascent(tmp_path):
  key = "train/adversary_regret_bound"
  plain = toy.small_experiment("step_size=0.5,smoothing=0.0", num_steps=10)
  assert train(tmp_path / "plain", plain) == errors.DONE
  rows = [row for row in rows_of(tmp_path / "plain") if key in row]
  assert [row["step"] for row in rows] == [5, 10]
  # log K / (step_size T) is its first part.
  assert rows[1][key] > np.log(3) / (0.5 * 10)
  smoothed = toy.small_experiment("smoothing=0.1", num_steps=5)
  train(tmp_path / "smoothed", smoothed)
  assert not any(key in row for row in rows_of(tmp_path / "smoothed"))


def test_an_adversary_shown_held_out_rows_goes_on_as_it_was(tmp_path):
  text = "step_size=0.5,signal=held_out+ema,held_out_every=3,decay=0.5"
  experiment = toy.small_experiment(
    text, num_steps=8, evaluation__max_rows=8, checkpoint__every=4
  )
  whole, path = tmp_path / "whole", tmp_path / "run"
  assert train(whole, experiment) == errors.DONE
  stopped = stopped_at(experiment, {5: [signal.SIGTERM]})
  assert train(path, stopped) == errors.PREEMPTED
  assert train(path, experiment) == errors.DONE
  assert_same_run(path, whole, experiment)


def test_collapsed_weights_are_told_once(tmp_path, capsys):
  experiment = toy.small_experiment(
    "strategy=softmax_weighted,temperature=1e-6", num_steps=15, log_every=1
  )
  train(tmp_path, experiment)
  out = capsys.readouterr().out
  assert out.count("the task weights collapsed: ") == 1


def test_out_of_memory_names_the_batch_and_a_smaller_one(tmp_path, experiment):
  def train_step(state, batch):
    del state, batch
    raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory\nmore")

  with pytest.raises(InputError) as caught:
    train(
      tmp_path / "run",
      experiment._replace(train_step=train_step, batch_size=72),
    )
  assert str(caught.value).startswith(
    "batch_size 72 takes more memory than a device has; nearest smaller: 48. "
  )
  assert str(caught.value).endswith("(RESOURCE_EXHAUSTED: Out of memory)")


def test_a_profile_of_some_steps_is_written(tmp_path, experiment, capsys):
  path = tmp_path / "run"
  with RunFolder(path, experiment) as folder:
    assert loop.train(experiment, folder, profile_steps=(3, 4)) == errors.DONE
  assert f"wrote the profile {path / 'profile'}" in capsys.readouterr().out
  assert list((path / "profile").rglob("*.xplane.pb"))


def test_steps_of_a_profile_are_read():
  assert profile.parse_steps("") is None
  assert profile.parse_steps("10:15") == (10, 15)
  for text in ("10", "5:4", "0:3", "a:b", "1:2:3"):
    with pytest.raises(InputError, match="--profile_steps must be FIRST:LAST"):
      profile.parse_steps(text)
