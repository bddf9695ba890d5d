"""Four real processes: one is preempted, one is killed, the run stays equal."""

import json
import os
import re
import signal
import subprocess

import pytest

from tests import programs

FLAGS = (
  f"--config={programs.ROOT}/configs/pos_bert_smoke.py",
  "--config.num_steps=60",
  "--config.evaluation.every=20",
  "--config.checkpoint.every=10",
)


def start(data, workdir):
  """The script, in a session of its own as in a terminal."""
  return subprocess.Popen(
    ["bash", "launch/local_pod.sh", "-n", "4", *FLAGS]
    + [f"--data_dir={data}", f"--workdir={workdir}"],
    cwd=programs.ROOT,
    env=programs.ENVIRONMENT,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    start_new_session=True,
  )


def run(data, workdir, process=None, number=None, at=""):
  """(exit code, lines); a process is sent a signal after a line with `at`."""
  lines, pids = [], {}
  with start(data, workdir) as script:
    for line in script.stdout:
      lines.append(line.rstrip())
      if found := re.match(r"\[(\d)\] pid (\d+)", line):
        pids[int(found[1])] = int(found[2])
      if number is not None and re.search(at, line):
        os.kill(pids[process], number)
        number = None
  return script.returncode, lines


def digests(workdir):
  file = workdir / "checkpoints/60/manifest/metadata"
  return json.loads(file.read_text())["digests"]


@pytest.mark.ci
def test_four_processes_survive_and_end_equal(tmp_path):
  data, whole, broken = (tmp_path / name for name in ("data", "whole", "run"))
  code, _, err = programs.run("prepare", FLAGS[0], f"--data_dir={data}")
  assert code == 0, err

  code, lines = run(data, whole)
  assert code == 0, lines
  for i in range(4):
    assert f"[{i}] process {i} of 4, 2 local devices" in lines

  code, lines = run(data, broken, 2, signal.SIGTERM, r"\[0\] step 10/60")
  assert code == 75, lines
  assert lines[-1] == "exit codes: 75 75 75 75"
  (stop,) = [line for line in lines if "stopped and saved at step" in line]
  stop = int(re.search(r"step (\d+) of 60", stop)[1])

  code, lines = run(data, broken, 3, signal.SIGKILL, r"\[0\] step 50/60")
  assert code == 1, lines
  assert f"[0] continues at step {stop} of 60" in lines
  for i in range(3):
    line = f"error: process 3 of 4 is gone; process {i} stops too"
    assert any(line in x for x in lines), "\n".join(lines[-20:])
  assert lines[-1] == "exit codes: 1 1 1 137"

  code, lines = run(data, broken)
  assert code == 0, lines
  assert any(re.match(r"\[0\] continues at step \d+ of 60", x) for x in lines)
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
