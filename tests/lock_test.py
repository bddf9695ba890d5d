"""One process at a time in a folder, whatever became of the one before."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from taskrobust_jax import lock
from taskrobust_jax.errors import InputError
from tests import programs

HOLD = """
import sys, time
from taskrobust_jax import lock
with lock.held(sys.argv[1]):
  print("held", flush=True)
  time.sleep(600)
"""


@pytest.fixture(autouse=True)
def short(monkeypatch):
  monkeypatch.setattr(lock, "GRACE", 0.3)
  monkeypatch.setattr(lock, "SILENCE", 1.0)
  monkeypatch.setattr(lock, "BEAT", 0.1)


@pytest.fixture
def holder(tmp_path):
  """Another process that holds the folder."""
  process = subprocess.Popen(
    [sys.executable, "-c", HOLD, str(tmp_path)],
    env=programs.ENVIRONMENT,
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == "held\n"
  yield process
  process.kill()
  process.communicate()


def kill(process):
  process.kill()
  process.wait()


def change(folder, **values):
  file = folder / lock.LOCK
  file.write_text(json.dumps(json.loads(file.read_text()) | values))


def refused(folder):
  with pytest.raises(InputError) as caught, lock.held(folder):
    pass
  return str(caught.value)


def test_the_second_is_refused_with_owner_and_age(tmp_path, holder):
  change(tmp_path, since=time.time() - 7 * 60)
  message = refused(tmp_path)
  host = os.uname().nodename
  assert (
    f"{tmp_path} is in use by process {holder.pid} on {host} for 7 minut"
    in (message)
  )
  assert lock.owner_of(tmp_path) == (
    f"process {holder.pid} on {host} (alive) for 7 minutes"
  )


def test_a_released_folder_is_free_and_clean(tmp_path):
  for _ in range(3):
    with lock.held(tmp_path):
      assert os.listdir(tmp_path) == [lock.LOCK]
    assert os.listdir(tmp_path) == []
  with contextlib.suppress(KeyError), lock.held(tmp_path):
    raise KeyError
  assert os.listdir(tmp_path) == []
  assert lock.owner_of(tmp_path) == ""


def test_a_killed_owner_is_taken_over_at_once(tmp_path, holder, capsys):
  kill(holder)
  assert "(dead)" in lock.owner_of(tmp_path)
  begun = time.monotonic()
  with lock.held(tmp_path) as own:
    own.check()
  assert time.monotonic() - begun < 0.2
  assert capsys.readouterr().out == (
    f"takes over {tmp_path} from process {holder.pid} on "
    f"{os.uname().nodename}, which is dead\n"
  )


def test_an_owner_that_is_about_to_die_is_waited_for(tmp_path, holder):
  threading.Timer(0.15, holder.kill).start()
  with lock.held(tmp_path):
    pass


def test_a_pid_that_is_used_again_is_another_process(tmp_path, holder):
  kill(holder)
  change(tmp_path, pid=os.getpid())  # Alive, but begun at another time.
  with lock.held(tmp_path):
    pass


def test_a_zombie_is_dead(tmp_path, holder):
  os.kill(holder.pid, signal.SIGKILL)
  time.sleep(0.05)  # Not waited for.
  with lock.held(tmp_path):
    pass


@pytest.mark.parametrize("key", ["host", "boot", "pids"])
def test_an_owner_elsewhere_that_is_silent_is_dead(
  tmp_path, holder, capsys, key
):
  kill(holder)
  change(tmp_path, **{key: "elsewhere"})
  assert "(out of sight from here)" in lock.owner_of(tmp_path)
  begun = time.monotonic()
  with lock.held(tmp_path):
    assert time.monotonic() - begun > 1
  assert "waits up to 1 s for a sign of life" in capsys.readouterr().out


def test_an_owner_elsewhere_that_beats_is_respected(tmp_path, monkeypatch):
  with lock.held(tmp_path):
    change(tmp_path, host="elsewhere")
    begun = time.monotonic()
    assert "on elsewhere" in refused(tmp_path)
    assert time.monotonic() - begun < 0.9
    change(tmp_path, host=os.uname().nodename)


@pytest.mark.parametrize(
  "garbage", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff", b"[" * 100_000]
)
def test_a_lock_without_a_name_is_nobodys(tmp_path, garbage, capsys):
  (tmp_path / lock.LOCK).write_bytes(garbage)
  with lock.held(tmp_path):
    pass
  assert "from a process without a name" in capsys.readouterr().out


def test_a_lock_that_gets_its_name_late_is_respected(tmp_path, holder):
  text = (tmp_path / lock.LOCK).read_bytes()
  (tmp_path / lock.LOCK).write_bytes(b"")
  later = lambda: (tmp_path / lock.LOCK).write_bytes(text)
  threading.Timer(0.1, later).start()
  assert f"process {holder.pid}" in refused(tmp_path)


def test_who_lost_its_lock_is_told(tmp_path):
  with lock.held(tmp_path) as own:
    own.check()
    change(tmp_path, token="another")
    with pytest.raises(OSError, match="no longer this process's lock: process"):
      own.check()
  assert os.listdir(tmp_path) == [lock.LOCK]  # It is the other's.
  (tmp_path / lock.LOCK).unlink()
  with lock.held(tmp_path) as own:
    (tmp_path / lock.LOCK).unlink()
    with pytest.raises(OSError, match="it was removed"):
      own.check()


def test_a_fork_does_not_release_it(tmp_path, monkeypatch):
  with lock.held(tmp_path) as own:
    with monkeypatch.context() as patched:
      patched.setattr(os, "getpid", lambda: 1)
      own._release()
    own.check()


def test_of_many_that_find_a_dead_owner_one_gets_it(
  tmp_path, holder, monkeypatch
):
  kill(holder)
  unlink = pathlib.Path.unlink

  def slow_unlink(path):
    time.sleep(0.05)  # Long enough for others to look meanwhile.
    unlink(path)

  monkeypatch.setattr(pathlib.Path, "unlink", slow_unlink)
  got, others = [], []
  barrier, end = threading.Barrier(8), threading.Event()

  def work():
    barrier.wait()
    try:
      with lock.held(tmp_path) as own:
        got.append(own)
        end.wait(20)
        own.check()
    except InputError as error:
      others.append(error)

  threads = [threading.Thread(target=work) for _ in range(8)]
  for thread in threads:
    thread.start()
  while len(others) < 7 and any(t.is_alive() for t in threads):
    time.sleep(0.01)
  end.set()
  for thread in threads:
    thread.join()
  assert (len(got), len(others)) == (1, 7)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
  with pytest.raises(InputError, match="none cannot be written: .*No such"):
    with lock.held(tmp_path / "none"):
      pass
