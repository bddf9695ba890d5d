"""Two real processes: one is preempted, one is killed, the run stays equal."""

import json
import os
import re
import signal
import subprocess

import pytest

from tests import programs

LAST = 300


def start(folder, workdir, num_steps=LAST, more=()):
  """The script, in a session of its own as in a terminal."""
  # Four tasks on eight devices: a row each.
  flags = programs.run_flags(
    folder, workdir, num_steps=num_steps, batch_size=32
  )
  flags += more
  return subprocess.Popen(
    ["bash", "launch/local_pod.sh", "-n", "2", "-d", "4", *flags],
    cwd=programs.ROOT,
    env=programs.ENVIRONMENT,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    start_new_session=True,
  )


def run(folder, workdir, process=None, number=None, at=""):
  """(exit code, lines); a process is sent a signal after a line with `at`."""
  lines, pids = [], {}
  with start(folder, workdir) as script:
    for line in script.stdout:
      lines.append(line.rstrip())
      if found := re.match(r"\[(\d)\] pid (\d+)", line):
        pids[int(found[1])] = int(found[2])
      if number is not None and re.search(at, line):
        os.kill(pids[process], number)
        number = None
  return script.returncode, lines


@pytest.mark.ci
def test_a_pod_begins_from_the_params_of_a_run(tmp_path):
  found = programs.finished()
  more = [f"--init_from={found.run}", "--config.optimizer.warmup_steps=1"]
  with start(found.folder, tmp_path / "run", num_steps=2, more=more) as script:
    out = script.stdout.read()
  assert script.returncode == 0, out
  assert f"wrote {tmp_path / 'run'}" in out


def digests(workdir):
  file = workdir / f"checkpoints/{LAST}/manifest/metadata"
  return json.loads(file.read_text())["digests"]


@pytest.mark.ci
def test_two_processes_survive_and_end_equal(tmp_path):
  folder = programs.finished().folder
  whole, broken = tmp_path / "whole", tmp_path / "run"
  code, lines = run(folder, whole)
  assert code == 0, lines
  for i in range(2):
    assert f"[{i}] process {i} of 2, 4 local devices" in lines

  code, lines = run(folder, broken, 1, signal.SIGTERM, r"\[0\] step \d+/")
  assert code == 75, lines
  assert lines[-1] == "exit codes: 75 75"
  (stop,) = [line for line in lines if "stopped and saved at step" in line]
  stop = int(re.search(rf"step (\d+) of {LAST}", stop)[1])

  code, lines = run(folder, broken, 1, signal.SIGKILL, r"\[0\] step \d+/")
  assert code == 1, lines
  assert f"[0] continues at step {stop} of {LAST}" in lines
  line = "error: process 1 of 2 is gone; process 0 stops too"
  assert any(line in x for x in lines), "\n".join(lines[-20:])
  assert lines[-1] == "exit codes: 1 137"

  code, lines = run(folder, broken)
  assert code == 0, lines
  again = re.compile(rf"\[0\] continues at step \d+ of {LAST}")
  assert any(map(again.match, lines))
  name = "metrics.jsonl"
  assert (broken / name).read_bytes() == (whole / name).read_bytes()
  assert digests(broken) == digests(whole)
  assert digests(whole)


@pytest.mark.parametrize("option", [("-n", "0"), ("-d", "x"), ("-n",)])
def test_a_wrong_number_is_refused(option):
  result = subprocess.run(
    ["bash", "launch/local_pod.sh", *option],
    cwd=programs.ROOT,
    capture_output=True,
    text=True,
  )
  assert result.returncode == 2
  assert "-n and -d must be whole numbers >= 1" in result.stderr
