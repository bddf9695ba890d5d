"""Starts `pretrain` many times in a moment each: by forks of one process.

That process imports all that is needed once and starts no thread, which a fork
would lose. The children are killed as any program is.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from tests import programs

_SERVER = """
import json, os, resource, sys
import grain, tensorflow_datasets
from tensorflow_datasets.proto import tf_example_generated_pb2
from array_record.python import array_record_data_source
from configs import pos_bert_smoke
from taskrobust_jax import pretrain, program
from absl import flags
print(json.dumps("ready"), flush=True)
codes = {}
for line in sys.stdin:
  asked = json.loads(line)
  if "arguments" in asked:
    answer = os.fork()
    if not answer:
      null = os.open(os.devnull, os.O_RDONLY)
      os.dup2(null, 0)
      for stream in (1, 2):
        how = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        os.dup2(os.open(asked["output"], how), stream)
      os.environ.update(asked["environment"])
      sys.argv = ["pretrain", *asked["arguments"]]
      flags.mark_flags_as_required(["config", "data_dir", "workdir"])
      program.run(pretrain.main)
  else:
    pid, answer = asked["poll"], None
    if pid not in codes:
      done, status = os.waitpid(pid, os.WNOHANG)
      if done:
        codes[pid] = os.waitstatus_to_exitcode(status)
    answer = codes.get(pid)
  print(json.dumps(answer), flush=True)
"""


class Forks:
  """The process that is forked; a context."""

  def __init__(self, folder: pathlib.Path):
    """Starts it; `folder` receives what the programs print."""
    self._folder = folder
    self._number = 0
    self._server = subprocess.Popen(
      [sys.executable, "-c", _SERVER],
      cwd=programs.ROOT,
      env=programs.ENVIRONMENT,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
    )
    assert json.loads(self._server.stdout.readline()) == "ready"

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self._server.communicate()

  def ask(self, **values):
    self._server.stdin.write(json.dumps(values) + "\n")
    self._server.stdin.flush()
    return json.loads(self._server.stdout.readline())

  def start(self, arguments, num_devices=1) -> "Program":
    """Starts `pretrain` on so many CPU devices."""
    self._number += 1
    output = self._folder / f"{self._number}.txt"
    pid = self.ask(
      arguments=arguments,
      output=str(output),
      environment={
        "XLA_FLAGS": programs.ENVIRONMENT["XLA_FLAGS"]
        + f" --xla_force_host_platform_device_count={num_devices}"
      },
    )
    return Program(self, pid, output)

  def run(self, arguments, num_devices=1) -> "Program":
    """Starts it and waits for its end."""
    program = self.start(arguments, num_devices)
    program.wait()
    return program


class Program:
  """A program that was started."""

  def __init__(self, forks, pid, output):
    self._forks, self.pid, self._output = forks, pid, output
    self.code = None

  def is_over(self) -> bool:
    if self.code is None:
      self.code = self._forks.ask(poll=self.pid)
    return self.code is not None

  def wait(self, seconds=300.0, until=lambda: False) -> bool:
    """Waits for the end or for something; False if it took too long."""
    end = time.monotonic() + seconds
    while not self.is_over() and not until():
      if time.monotonic() > end:
        return False
      time.sleep(0.002)
    return True

  def wait_for(self, text, seconds=300.0):
    """Waits until it has printed something, or is over."""
    self.wait(seconds, until=lambda: text in self.text())

  def send(self, number=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
      os.kill(self.pid, number)

  def text(self) -> str:
    """What it has printed on both streams."""
    return self._output.read_text() if self._output.exists() else ""

  def errors(self) -> list[str]:
    """The lines by which it said why it ends."""
    return [x for x in self.text().splitlines() if x.startswith("error: ")]
