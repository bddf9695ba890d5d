"""The processes of a pod, as threads: they meet, agree, and miss each other."""

from concurrent.futures import ThreadPoolExecutor
import contextlib
import json
import os
import queue
import socket
import threading

import pytest

from taskrobust_jax import peers
from taskrobust_jax.errors import InputError
from taskrobust_jax.peers import Peers

CLAIMS = {"config": {"seed": 0, "width": 8}, "workdir": "/runs/a"}


def free_port():
  with socket.create_server(("127.0.0.1", 0)) as server:
    return server.getsockname()[1]


@pytest.fixture
def address():
  return "127.0.0.1", free_port()


def outcome(pod, process, claims=CLAIMS, timeout=20, **problem):
  """What `meet` raised, as text."""
  try:
    pod[process].meet(claims, timeout, **problem)
  except (InputError, OSError) as error:
    return f"{type(error).__name__}: {error}"
  return "met"


def meeting(pod, **calls):
  """The outcome for each process that comes; `calls` are `p<i>=arguments`."""
  with ThreadPoolExecutor(len(calls)) as pool:
    futures = {
      name: pool.submit(outcome, pod, int(name[1:]), **arguments)
      for name, arguments in calls.items()
    }
    return {name: future.result() for name, future in futures.items()}


@contextlib.contextmanager
def members(n, address):
  """n processes; their connections are closed at the end."""
  pod = [Peers(i, n, address) for i in range(n)]
  yield pod
  for one in pod:
    one.close()


def test_equal_processes_meet(address):
  with members(3, address) as pod:
    # In another order of keys, as a file on another machine may have it.
    other = dict(reversed(CLAIMS.items()))
    got = meeting(pod, p2={}, p0={}, p1={"claims": other})
    assert got == dict.fromkeys(("p0", "p1", "p2"), "met")


def test_all_refuse_when_two_differ(address):
  with members(4, address) as pod:
    other = {**CLAIMS, "config": {"seed": 1, "width": 8}}
    moved = {**CLAIMS, "workdir": "/runs/b"}
    got = meeting(pod, p0={}, p1={}, p2={"claims": other}, p3={"claims": moved})
    assert len(set(got.values())) == 1
    text = got["p0"]
    assert text.startswith("InputError: ")
    for line in (
      "process 2 does not do what process 0 does: its config.seed is 1, not 0",
      "process 3 does not do what process 0 does: its workdir is '/runs/b', "
      "not '/runs/a'",
    ):
      assert line in text
    assert "process 1" not in text


@pytest.mark.parametrize("process", [0, 1, 2])
@pytest.mark.parametrize(("code", "kind"), [(2, "InputError"), (1, "OSError")])
def test_a_process_that_cannot_start_says_why_to_all(
  address, process, code, kind
):
  with members(3, address) as pod:
    calls = {"p0": {}, "p1": {}, "p2": {}}
    calls[f"p{process}"] = {
      "claims": {},
      "problem": "data_dir /x is no folder",
      "code": code,
    }
    text = f"{kind}: process {process} cannot start: data_dir /x is no folder"
    assert meeting(pod, **calls) == dict.fromkeys(calls, text)


def test_those_who_do_not_come_are_named(address):
  with members(5, address) as pod:
    short = {"timeout": 0.5}
    got = meeting(pod, p0=short, p1=short, p3=short)
    text = "OSError: process 2, 4 of 5 did not come within 0 s"
    assert got == dict.fromkeys(("p0", "p1", "p3"), text)


def test_process_0_that_does_not_come_is_named(address):
  with members(2, address) as pod:
    (text,) = meeting(pod, p1={"timeout": 0.3}).values()
    host, port = address
    assert f"process 0 of 2 did not answer at {host}:{port}" in text
    assert text.startswith("OSError: ")


def test_process_0_that_leaves_the_meeting_is_named(address):
  with members(2, address) as pod, socket.create_server(address) as server:
    with ThreadPoolExecutor(1) as pool:
      future = pool.submit(outcome, pod, 1)
      connection, _ = server.accept()
      with connection, connection.makefile("rb") as lines:
        lines.readline()
      text = future.result()
    assert text.startswith("OSError: process 0 at 127.0.0.1")
    assert "has left" in text


def test_two_that_are_the_same_process_refuse(address):
  with members(3, address) as pod:
    pod[2]._process_id = 1
    got = meeting(pod, p0={}, p1={}, p2={})
    text = "InputError: a second process says that it is 1"
    assert got == dict.fromkeys(("p0", "p1", "p2"), text)


@pytest.mark.parametrize(
  "noise",
  [
    b"GET / HTTP/1.1\r\n\r\n",
    b"[1, 2]\n",
    b'{"process": "x"}\n',
    json.dumps({"process": 1, "claims": CLAIMS}).encode() + b"\n",
    b"\xff\xfe\n",
    b"",
  ],
)
def test_a_stranger_is_not_counted(address, noise):
  with members(2, address) as pod, ThreadPoolExecutor(2) as pool:
    first = pool.submit(outcome, pod, 0)
    while True:
      with contextlib.suppress(ConnectionRefusedError):
        stranger = socket.create_connection(address)
        break
    stranger.sendall(noise)
    stranger.shutdown(socket.SHUT_WR)
    second = pool.submit(outcome, pod, 1)
    assert (first.result(), second.result()) == ("met", "met")
    stranger.close()


def test_a_message_without_an_end_is_bounded(address, monkeypatch):
  monkeypatch.setattr(peers, "_LARGEST_MESSAGE", 1000)
  with members(2, address) as pod, ThreadPoolExecutor(2) as pool:
    first = pool.submit(outcome, pod, 0)
    while True:
      with contextlib.suppress(ConnectionRefusedError):
        stranger = socket.create_connection(address)
        break
    stranger.sendall(b"[" * 2000)  # And no end of line, and not closed.
    second = pool.submit(outcome, pod, 1)
    assert (first.result(), second.result()) == ("met", "met")
    stranger.close()


@pytest.fixture
def exits(monkeypatch):
  """Exit codes, in the place of exits."""
  codes = queue.Queue()

  def leave(code):
    codes.put(code)
    threading.Event().wait()  # Nothing more comes from this process.

  monkeypatch.setattr(os, "_exit", leave)
  return codes


def met(n, address, stack):
  pod = stack.enter_context(members(n, address))
  assert set(meeting(pod, **{f"p{i}": {} for i in range(n)}).values()) == {
    "met"
  }
  for one in pod:
    one.watch()
  return pod


@pytest.mark.parametrize("dead", [0, 1, 2])
def test_all_notice_a_death(address, exits, capsys, dead):
  with contextlib.ExitStack() as stack:
    pod = met(3, address, stack)
    pod[dead]._lock.acquire()  # The dead say nothing.
    pod[dead].close()
    assert [exits.get(timeout=20) for _ in range(2)] == [1, 1]
  lines = sorted(capsys.readouterr().err.splitlines())
  assert lines == [
    f"error: process {dead} of 3 is gone; process {i} stops too"
    for i in range(3)
    if i != dead
  ]


@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize("code", [1, 2, 130])
def test_all_leave_with_the_first_that_fails(
  address, exits, capsys, first, code
):
  with contextlib.ExitStack() as stack:
    pod = met(3, address, stack)
    pod[first]._lock.acquire()  # It hears nothing more.
    pod[first].leave(code, "stopped: disk full")
    assert [exits.get(timeout=20) for _ in range(2)] == [code, code]
  err = capsys.readouterr().err
  assert f"error: process {first} of 3 stopped: disk full; process 1" in err


def test_nobody_minds_a_process_that_is_done(address, exits, capsys):
  with contextlib.ExitStack() as stack:
    pod = met(3, address, stack)
    for one in (pod[1], pod[0], pod[2]):
      one.leave(0)
    for one in pod:
      one.close()
    with pytest.raises(queue.Empty):
      exits.get(timeout=0.5)
  assert capsys.readouterr().err == ""
