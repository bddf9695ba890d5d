"""Connections among the processes of a pod, to agree and to notice a death.

They form a star with process 0 in the middle. A message is a line of JSON: the
first says who a process is and what it is about to do, the answer whether the
pod may start; a later one says that a process leaves, and why. Who closes the
connection without having said so has died.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time
from typing import Any

from taskrobust_jax import errors
from taskrobust_jax.errors import InputError
from taskrobust_jax.storage.compare import differences

# Seconds that a message on its way may take.
GRACE = 5
# A config is some kilobytes.
_LARGEST_MESSAGE = 2**20


class Peers:
  """The other processes of a pod, as one of them sees them."""

  def __init__(
    self, process_id: int, num_processes: int, address: tuple[str, int]
  ):
    """Connects to nobody yet.

    Args:
      process_id: This process, from 0.
      num_processes: n, 2 or more.
      address: Where process 0 listens: host and port.
    """
    self._process_id = process_id
    self._num_processes = num_processes
    self._address = address
    self._connections = {}  # By process.
    self._left = set()
    self._lock = threading.Lock()

  def meet(
    self,
    claims: dict[str, Any],
    timeout: float,
    problem: str = "",
    code: int = errors.BAD_INPUT,
  ) -> None:
    """Returns when all have come and agree.

    Args:
      claims: JSON values that must be equal in all processes.
      timeout: Seconds that the others may take to come.
      problem: Why this process cannot start, to be told to the others.
      code: The exit code for that.

    Raises:
      InputError: In every process, if claims differ or one cannot start.
      OSError: If a process has not come in time, or the port is taken.
    """
    hello = {
      "process": self._process_id,
      "claims": claims,
      "problem": problem,
      "code": code,
    }
    if self._process_id == 0:
      problem, code = self._gather(hello, timeout)
      for connection in self._connections.values():
        connection.send({"problem": problem, "code": code})
    else:
      problem, code = self._come(hello, timeout)
    if problem:
      raise (InputError if code == errors.BAD_INPUT else OSError)(problem)

  def _gather(self, own, timeout):
    """Waits for all others; returns what is wrong, and its exit code."""
    others = range(1, self._num_processes)
    codes, problems = [own["code"]], []
    if own["problem"]:
      problems.append(f"process 0 cannot start: {own['problem']}")
    end = time.monotonic() + timeout
    with socket.create_server(self._address) as server:
      while len(self._connections) < len(others):
        server.settimeout(max(end - time.monotonic(), 0.01))
        try:
          connection = _Connection(server.accept()[0])
        except TimeoutError:
          missing = [str(i) for i in others if i not in self._connections]
          return (
            f"process {', '.join(missing)} of {self._num_processes} did not "
            f"come within {timeout:.0f} s",
            errors.FAULT,
          )
        try:
          hello = connection.receive()
          process, problem = int(hello["process"]), str(hello["problem"])
          codes.append(int(hello["code"]))
          differing = differences(hello["claims"], own["claims"])
        except (OSError, ValueError, KeyError, TypeError):
          connection.close()  # It is none of ours.
          continue
        connection.wait_at_most(None)
        if process in self._connections or process not in others:
          problems.append(f"a second process says that it is {process}")
          process = -len(self._connections) - 1
        elif problem:
          problems.append(f"process {process} cannot start: {problem}")
        elif differing and not own["problem"]:
          problems.append(
            f"process {process} does not do what process 0 does: its "
            f"{', its '.join(differing)}"
          )
        self._connections[process] = connection
    # A fault of one is no bad input.
    return "; ".join(problems), min(codes)

  def _come(self, hello, timeout):
    """Goes to process 0; returns what is wrong, and its exit code."""
    name = "{}:{}".format(*self._address)
    end = time.monotonic() + timeout
    while True:
      try:
        endpoint = socket.create_connection(self._address, timeout=GRACE)
        break
      except OSError as error:
        if time.monotonic() > end:
          return (
            f"process 0 of {self._num_processes} did not answer at {name} "
            f"within {timeout:.0f} s: {error}",
            errors.FAULT,
          )
        time.sleep(0.1)
    connection = self._connections[0] = _Connection(endpoint)
    connection.send(hello)
    # It may have begun to wait just now.
    connection.wait_at_most(timeout + GRACE)
    try:
      verdict = connection.receive()
      connection.wait_at_most(None)
      return verdict["problem"], verdict["code"]
    except (OSError, ValueError) as error:
      return f"process 0 at {name} has left: {error}", errors.FAULT

  def watch(self) -> None:
    """Ends this process from now on when another one fails or dies."""
    for process in self._connections:
      threading.Thread(
        target=self._listen, args=(process,), daemon=True
      ).start()

  def _listen(self, process):
    while True:
      try:
        message = self._connections[process].receive()
      except (OSError, ValueError):
        if process not in self._left:
          self._fail(process, errors.FAULT, "is gone")
        return
      self._left.add(message["process"])
      if message["code"] != errors.DONE:
        self._fail(message["process"], message["code"], message["text"])

  def _fail(self, process, code, text):
    """Exits because another process did."""
    with self._lock:  # Only the first one counts.
      if self._process_id == 0:  # The others hear of it only here.
        self.leave(code, text, process)
      # In one piece: other threads may be writing.
      sys.stderr.write(
        f"error: process {process} of {self._num_processes} {text}; process "
        f"{self._process_id} stops too\n"
      )
      sys.stderr.flush()
      os._exit(code)

  def leave(self, code: int, text: str = "", process: int | None = None):
    """Tells the others that this process ends, or that another one did.

    Args:
      code: Its exit code; the others exit with it too unless it is 0.
      text: What they print.
      process: Which one; this one if `None`.
    """
    process = self._process_id if process is None else process
    for connection in self._connections.values():
      connection.send({"process": process, "code": code, "text": text})

  def close(self) -> None:
    """Closes all connections."""
    for connection in self._connections.values():
      connection.close()


class _Connection:
  """A socket that carries lines of JSON."""

  def __init__(self, endpoint: socket.socket):
    endpoint.settimeout(GRACE)
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
      ("TCP_KEEPIDLE", 10),  # Seconds of silence until it asks,
      ("TCP_KEEPINTVL", 5),  # between questions,
      ("TCP_KEEPCNT", 4),  # and questions without an answer.
    ):
      if hasattr(socket, option):
        endpoint.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    self._endpoint = endpoint
    self._lines = endpoint.makefile("rb")

  def wait_at_most(self, seconds: float | None) -> None:
    self._endpoint.settimeout(seconds)

  def send(self, message: dict[str, Any]) -> None:
    """Sends, or not, if the other side is gone: `receive` will notice."""
    with contextlib.suppress(OSError):
      self._endpoint.sendall(json.dumps(message).encode() + b"\n")

  def receive(self) -> dict[str, Any]:
    """The next message.

    Raises:
      OSError: If the connection is closed.
      ValueError: If it is no message.
    """
    line = self._lines.readline(_LARGEST_MESSAGE)
    if not line:
      raise ConnectionResetError("it closed the connection")
    try:
      return json.loads(line)
    except RecursionError as error:
      raise ValueError("too many brackets") from error

  def close(self) -> None:
    with contextlib.suppress(OSError):
      self._endpoint.shutdown(socket.SHUT_RDWR)
    self._endpoint.close()
    self._lines.close()
