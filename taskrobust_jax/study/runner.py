"""Runs calls of programs side by side, one a core, and goes on where it was."""

from collections.abc import Callable, Iterable, Sequence
from concurrent import futures
import json
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import NamedTuple

from taskrobust_jax import errors


class Job(NamedTuple):
  """Calls of programs, one after the other, then what is kept of them.

  Attributes:
    name: Of its log, and of the file that says that it has ended.
    calls: () -> the calls, a program of this package and its flags each. A call
      is asked for when the one before it has ended, and may hold what that
      found.
    collect: () -> None, after the last call.
    is_kept: () -> whether what it gives stands among the results already, from
      another machine, and nobody needs its files.
    is_collected: () -> whether what it gives stands there at all: a file that
      says that it has ended knows no results and no sizes.
  """

  name: str
  calls: Callable[[], Iterable[Sequence[str]]]
  collect: Callable[[], None] = lambda: None
  is_kept: Callable[[], bool] = lambda: False
  is_collected: Callable[[], bool] = lambda: True


class Runner:
  """Runs jobs; to be used as a context.

  OUT/logs/<name>.log holds what a job printed, OUT/done/<name> says that it
  ended. SIGTERM and SIGINT are passed on to what runs; nothing is begun after.
  """

  def __init__(self, out: pathlib.Path, cores: Sequence[int] | None):
    """Takes the folder and the cores.

    Args:
      out: The folder.
      cores: One run a core, tied to it; `None` for one run that has the
        machine.
    """
    self._out = out
    self._places: queue.Queue[int | None] = queue.Queue()
    for core in [None] if cores is None else cores:
      self._places.put(core)
    self._workers = 1 if cores is None else len(cores)
    self._lock = threading.Lock()
    self._running: set[subprocess.Popen] = set()
    self._code = errors.DONE
    self._seconds: list[float] = []
    self._before = {}

  def __enter__(self) -> "Runner":
    for number in (signal.SIGTERM, signal.SIGINT):
      self._before[number] = signal.signal(number, self._stop)
    return self

  def __exit__(self, kind, error, trace) -> None:
    for number, handler in self._before.items():
      signal.signal(number, handler)

  def plan(self, jobs: Sequence[Job]) -> str:
    """A line a job, whether it has ended, and the time that others took."""
    lines, seconds, left = [], [], 0
    # A name may come twice, the second time with more to fine-tune.
    ended = {job.name: True for job in jobs}
    for job in jobs:
      ended[job.name] &= self._has_ended(job)
    for name, has_ended in ended.items():
      mark = self._out / "done" / name
      if mark.exists():
        seconds.append(json.loads(mark.read_text())["seconds"])
      left += not has_ended
      lines.append(f"{'done' if has_ended else 'to do':<6} {name}")
    lines.append(f"{len(ended)} jobs, {left} to do, {self._workers} at a time")
    if seconds and left:
      minutes = sum(seconds) / len(seconds) * left / self._workers / 60
      lines[-1] += f": about {minutes:.0f} min"
    return "\n".join(lines)

  def run_all(self, jobs: Sequence[Job], later: Sequence[Job] = ()) -> int:
    """Runs what has not ended, one line a job.

    Args:
      jobs: They do not wait for each other.
      later: Those that come after these, for the time left.

    Returns:
      An exit code: 0, or that of the first call that failed.
    """
    waiting = [job for job in jobs if not self._has_ended(job)]
    left = {job.name for job in waiting}
    left |= {job.name for job in later if not self._has_ended(job)}
    with futures.ThreadPoolExecutor(self._workers) as pool:
      for ended in futures.as_completed(
        [pool.submit(self._run, job) for job in waiting]
      ):
        job, seconds = ended.result()
        if self._code == errors.DONE:
          left.discard(job.name)
          self._tell(job, seconds, len(left))
    return self._code

  def _run(self, job: Job) -> tuple[Job, float]:
    began = time.monotonic()
    place = self._places.get()
    try:
      log = self._out / "logs" / f"{job.name}.log"
      log.parent.mkdir(parents=True, exist_ok=True)
      for call in job.calls() if self._code == errors.DONE else ():
        code = self._call(call, place, log)
        if code:
          if self._code == errors.DONE:
            self._code = code
            print(f"{job.name}: exit code {code}; see {log}", file=sys.stderr)
          break
      if self._code == errors.DONE:
        with self._lock:
          job.collect()
        mark = self._mark(job)
        mark.parent.mkdir(parents=True, exist_ok=True)
        seconds = round(time.monotonic() - began, 1)
        mark.write_text(json.dumps({"seconds": seconds}) + "\n")
    except BaseException:
      # What waits is not begun: else the pool would run all of it first.
      if self._code == errors.DONE:
        self._code = errors.FAULT
      raise
    finally:
      self._places.put(place)
    return job, time.monotonic() - began

  def _call(
    self, call: Sequence[str], core: int | None, log: pathlib.Path
  ) -> int:
    program, *arguments = call
    command = [sys.executable, "-m", f"taskrobust_jax.{program}", *arguments]
    if core is not None:
      command = ["taskset", "-c", str(core), *command]
    with log.open("a") as stream:
      print("$", *command, file=stream, flush=True)
      with self._lock:
        if self._code != errors.DONE:
          return self._code
        process = subprocess.Popen(
          command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
        self._running.add(process)
      if self._code != errors.DONE:  # Told to stop while it was started.
        process.send_signal(signal.SIGTERM)
      code = process.wait()
      with self._lock:
        self._running.discard(process)
    return code

  def _stop(self, number, frame) -> None:
    del frame
    is_asked = number == signal.SIGTERM
    self._code = errors.PREEMPTED if is_asked else errors.INTERRUPTED
    for process in tuple(self._running):
      process.send_signal(signal.SIGTERM)

  def _tell(self, job: Job, seconds: float, left: int) -> None:
    self._seconds.append(seconds)
    mean = sum(self._seconds) / len(self._seconds)
    minutes = mean * left / self._workers / 60
    print(
      f"{job.name}: {seconds:.0f} s; {left} left, about {minutes:.0f} min",
      flush=True,
    )

  def _has_ended(self, job: Job) -> bool:
    return (self._mark(job).exists() and job.is_collected()) or job.is_kept()

  def _mark(self, job: Job) -> pathlib.Path:
    return self._out / "done" / job.name
