"""Two processes train as one: they agree, stop together, and go on."""

import re
import signal
import socket
import time

import numpy as np
import pytest

from taskrobust_jax import pod
from taskrobust_jax.errors import InputError
from tests import programs


def test_a_process_on_its_own_has_no_place():
  assert pod.find_place("") is None
  assert pod.find_place("0/1@localhost:4000") is None


def test_a_place_is_read():
  place = pod.find_place("3/16@10.0.0.2:8482")
  assert place == pod.Place(3, 16, "10.0.0.2", 8482)


@pytest.mark.parametrize(
  "text",
  ["3", "1/2", "2/2@h:4000", "-1/2@h:4000", "0/0@h:4000", "0/2@h", "0/2@:4000"]
  + ["0/2@h:0", "0/2@h:1", "0/2@h:70000", "0/2@h:x", "a/2@h:4000", "Auto"],
)
def test_another_form_of_place_is_refused(text):
  with pytest.raises(InputError, match="--pod must be auto or i/n@host:port"):
    pod.find_place(text)


def test_the_place_in_a_slurm_job_is_found(monkeypatch):
  for name, value in {
    "JOB_ID": "100",
    "STEP_NODELIST": "node[003-006]",
    "NTASKS": "4",
    "PROCID": "2",
    "LOCALID": "0",
    "STEP_NUM_NODES": "4",
  }.items():
    monkeypatch.setenv(f"SLURM_{name}", value)
  place = pod.find_place("auto")
  assert place[:3] == (2, 4, "node003")
  assert place.local_device_ids == (0,)


def test_auto_outside_of_a_cluster_is_refused():
  with pytest.raises(InputError, match="--pod=auto: this is no Cloud TPU"):
    pod.find_place("auto")


def test_the_code_version_names_the_package_and_its_libraries():
  version = pod.code_version()
  assert re.fullmatch("[0-9a-f]{16}", version["taskrobust_jax"])
  assert {"python", "jax", "optax"} <= version.keys()


def start_all(flags, *changes, timeout=60):
  """Processes of one pod, each with some flags of its own."""
  with socket.create_server(("127.0.0.1", 0)) as server:
    port = server.getsockname()[1]
  return [
    programs.start(
      "pretrain",
      *flags,
      f"--pod={i}/{len(changes)}@127.0.0.1:{port}",
      f"--pod_timeout={timeout}",
      *own,
    )
    for i, own in enumerate(changes)
  ]


def wait_for_all(processes):
  """[(exit code, standard output, standard error)]."""
  outputs = [process.communicate(timeout=200) for process in processes]
  return [(p.returncode, *texts) for p, texts in zip(processes, outputs)]


def saved_steps(workdir):
  names = [file.name for file in workdir.glob("checkpoints/*")]
  return sorted(int(name) for name in names if name.isdigit())


@pytest.fixture(scope="module")
def whole():
  return programs.finished()


def test_processes_that_differ_refuse_together(whole, tmp_path):
  flags = programs.run_flags(whole.folder, tmp_path / "run")
  results = wait_for_all(start_all(flags, [], ["--config.seed=7"]))
  line = (
    "error: process 1 does not do what process 0 does: its config.seed is 7, "
    "not 0\n"
  )
  assert results == [(2, "", line)] * 2
  assert not (tmp_path / "run").exists()


def test_bad_input_of_one_stops_all(whole, tmp_path):
  flags = programs.run_flags(whole.folder, tmp_path / "run")
  bad = [f"--data_dir={tmp_path / 'none'}"]
  results = wait_for_all(start_all(flags, [], bad))
  assert [code for code, _, _ in results] == [2, 2]
  line = f"data_dir: {tmp_path / 'none'} is no folder"
  assert f"error: process 1 cannot start: {line}" in results[0][2]
  assert results[1][2].startswith(f"error: {line}")
  assert not (tmp_path / "run").exists()


def test_a_folder_that_only_one_may_use_stops_all(whole, tmp_path):
  flags = programs.run_flags(whole.folder, whole.data)
  results = wait_for_all(start_all(flags, [], []))
  assert [code for code, _, _ in results] == [2, 2]
  line = f"workdir {whole.data} holds files but no manifest.json"
  assert results[0][2].startswith(f"error: {line}")
  assert f"error: process 0 of 2 stopped: {line}" in results[1][2]


@pytest.mark.ci
def test_a_pod_is_killed_preempted_and_ends_as_one_process(whole, tmp_path):
  workdir = tmp_path / "run"
  flags = programs.run_flags(whole.folder, workdir)

  processes = start_all(flags, [], [])
  end = time.monotonic() + 200
  while not saved_steps(workdir) and time.monotonic() < end:
    assert processes[0].poll() is None, processes[0].stderr.read()
    time.sleep(0.01)
  processes[1].send_signal(signal.SIGKILL)
  (code, out, err), (killed, _, _) = wait_for_all(processes)
  assert (code, killed) == (1, -signal.SIGKILL)
  assert "error: process 1 of 2 is gone; process 0 stops too" in err
  assert "process 0 of 2, 1 local devices" in out
  reached = saved_steps(workdir)[-1]
  assert reached < programs.LAST

  processes = start_all(flags, [], [])
  for line in processes[0].stdout:
    if line.startswith("step "):
      break
  processes[1].send_signal(signal.SIGTERM)
  (code, out, err), (other, its_out, its_err) = wait_for_all(processes)
  assert (code, other) == (75, 75), err + its_err
  stop = int(re.search(r"stopped and saved at step (\d+) of 160", out)[1])
  assert stop in saved_steps(workdir)
  assert reached < stop < programs.LAST
  # What all would say, only the first one says.
  assert "step" not in its_out
  assert "process 1 of 2, 1 local devices" in its_out

  code, out, err = programs.run("pretrain", *flags)
  assert code == 0, err
  assert f"continues at step {stop} of 160" in out
  rows, expected = programs.rows_of(workdir), programs.rows_of(whole.run)
  assert [row.keys() for row in rows] == [row.keys() for row in expected]
  for row, other in zip(rows, expected):
    np.testing.assert_allclose(
      list(row.values()), list(other.values()), rtol=1e-4
    )
