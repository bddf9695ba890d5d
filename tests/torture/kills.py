"""Killed at random moments, interrupted, continued on other devices."""

import random
import shutil
import signal
import time

from tests.torture import damage, runs

# Seconds in which a process must have noticed that another one is gone.
BOUND = 30.0


class Kills:
  """The cases of one place, each yielding (name, what was wrong or "")."""

  def __init__(self, place, forks, seed=0):
    """Makes the run that nobody disturbs."""
    self._place, self._forks = place, forks
    self._random = random.Random(seed)
    self.whole = place.workdir()
    self._run(self.whole)  # Fills the compiler's cache.
    begun = time.monotonic()
    self._duration = {}
    again = place.workdir()
    self._run(again)
    self._duration[1] = time.monotonic() - begun
    self._again, self._whole_pod = again, None

  def _run(self, workdir, *more, **options):
    program = self._forks.run(self._place.flags(workdir, *more), **options)
    assert program.code == 0, program.text()
    return program

  def determinism(self):
    """Two runs on one machine."""
    yield runs.difference(self._again, self.whole)

  # The moments at which a run is killed.

  def _any_time(self, workdir):
    end = time.monotonic() + self._random.uniform(0, self._duration[1])
    return lambda: time.monotonic() > end

  def _while_saving(self, workdir):
    """Soon after a save has begun."""
    number = self._random.randrange(1, 6)
    delay = self._random.uniform(0, 0.05)
    seen = set()
    end = None

    def is_due():
      nonlocal end
      folder = workdir / "checkpoints"
      if folder.is_dir():
        seen.update(x.name for x in folder.glob("*tmp*"))
      if end is None and len(seen) >= number:
        end = time.monotonic() + delay
      return end is not None and time.monotonic() > end

    return is_due

  def _while_evaluating(self, workdir):
    """As soon as a row is there after which an evaluation comes."""
    step = self._random.choice([0, 12, 28, 40, 44])

    def is_due():
      file = workdir / "metrics.jsonl"
      text = file.read_bytes() if file.exists() else b""
      # The run is past the step's row: it evaluates at 15, 30, 45.
      return b'{"step": %d,' % step in text

    return is_due

  def _at_the_end(self, workdir):
    """While the last step is written, or right after."""
    delay = self._random.uniform(0, 0.15)
    end = None

    def is_due():
      nonlocal end
      folder = workdir / "checkpoints"
      if end is None and any(folder.glob(f"{runs.LAST}*")):
        end = time.monotonic() + delay
      return end is not None and time.monotonic() > end

    return is_due

  def any_time(self, tries):
    yield from self._killed(tries, self._any_time)

  def while_saving(self, tries):
    yield from self._killed(tries, self._while_saving)

  def while_evaluating(self, tries):
    yield from self._killed(tries, self._while_evaluating)

  def at_the_end(self, tries):
    yield from self._killed(tries, self._at_the_end)

  def _killed(self, tries, moment):
    """So many kills, of as many runs as it takes; each run must end equal."""
    left = tries
    while left:
      workdir, num_kills, problem = self._place.workdir(), 0, ""
      while not problem:
        program = self._forks.start(self._place.flags(workdir))
        # Three kills a run at most: others are to come to their end.
        if left > num_kills and num_kills < 3:
          program.wait(until=moment(workdir))
          if not program.is_over():
            program.send()
            num_kills += 1
        program.wait()
        if program.code == 0:
          problem = runs.difference(workdir, self.whole)
          break
        if program.code != -signal.SIGKILL:
          problem = f"exit code {program.code}: {program.text()[-300:]}"
      for _ in range(num_kills):
        yield problem
      left -= num_kills
      if not problem:
        shutil.rmtree(workdir)

  def stopped(self, tries, number, code):
    """SIGTERM or SIGINT at a random step; then the same command again."""
    for _ in range(tries):
      workdir = self._place.workdir()
      program = self._forks.start(self._place.flags(workdir))
      program.wait_for("held-out")
      time.sleep(self._random.uniform(0, 0.5))
      program.send(number)
      program.wait()
      problem = ""
      if program.code not in (code, 0):
        problem = f"exit code {program.code}"
      elif program.code and "stopped and saved" not in program.text():
        problem = "it does not say what it saved"
      self._run(workdir)
      yield problem or runs.difference(workdir, self.whole)

  def interrupted_twice(self, tries):
    """The second SIGINT ends it at once."""
    for _ in range(tries):
      workdir = self._place.workdir()
      program = self._forks.start(self._place.flags(workdir))
      program.wait_for("held-out")
      program.send(signal.SIGINT)
      program.send(signal.SIGINT)
      is_soon = program.wait(20.0)
      problem = (
        "" if is_soon and program.code == 130 else (f"exit code {program.code}")
      )
      self._run(workdir)
      yield problem or runs.difference(workdir, self.whole)

  # Two processes.

  def _pod(self, workdir, num_devices=1):
    port = runs.free_port()
    return [
      self._forks.start(
        self._place.flags(
          workdir, f"--pod={i}/2@127.0.0.1:{port}", "--pod_timeout=20"
        ),
        num_devices,
      )
      for i in range(2)
    ]

  def _run_pod(self, workdir, num_devices=1):
    programs = self._pod(workdir, num_devices)
    for program in programs:
      program.wait()
    codes = [program.code for program in programs]
    return (
      ""
      if codes == [0, 0]
      else (f"exit codes {codes}: {programs[0].text()[-300:]}")
    )

  def whole_pod(self):
    """The folder of a run of two processes that nobody disturbed."""
    if self._whole_pod is not None:
      return self._whole_pod
    self._whole_pod = whole = self._place.workdir()
    begun = time.monotonic()
    problem = self._run_pod(whole)
    assert not problem, problem
    self._duration[2] = time.monotonic() - begun
    return whole

  def damage_in_two_processes(self):
    """The newest checkpoint is damaged; both go on from the same older one."""
    for hurt in (damage.flip, damage.empty_step):
      workdir = self._place.workdir()
      shutil.copytree(self.whole_pod(), workdir)
      hurt(workdir)
      problem = self._run_pod(workdir)
      yield problem or runs.difference(workdir, self.whole_pod())

  def two_processes(self, tries):
    """Either is killed; the other says so in time; both end equal."""
    whole = self.whole_pod()
    duration = self._duration[2]
    for number in range(tries):
      workdir = self._place.workdir()
      victim, other = number % 2, 1 - number % 2
      programs = self._pod(workdir)
      programs[victim].wait(self._random.uniform(0, duration))
      programs[victim].send()
      problem = ""
      if not programs[other].wait(BOUND):
        programs[other].send()
        problem = f"process {other} still waits after {BOUND:.0f} s"
      elif programs[other].code == 1 and not programs[other].errors():
        problem = f"process {other} says nothing"
      elif programs[other].code not in (0, 1):
        problem = f"process {other} exits with {programs[other].code}"
      for program in programs:
        program.wait()
      problem = problem or self._run_pod(workdir)
      yield problem or runs.difference(workdir, whole)

  def elastic(self):
    """Saved on 8 devices, continued on others; (name, problem) each."""
    workdir = self._place.workdir()
    program = self._forks.start(self._place.flags(workdir), num_devices=8)
    program.wait(until=lambda: max(runs.steps_of(workdir), default=0) >= 30)
    program.send(signal.SIGTERM)
    program.wait()
    assert program.code == 75, program.text()
    copies = {}
    for name in ("8", "1", "2", "4", "2 processes of 4"):
      copies[name] = self._place.workdir()
      shutil.copytree(workdir, copies[name])
      if name == "2 processes of 4":
        problem = self._run_pod(copies[name], num_devices=4)
      else:
        self._run(copies[name], num_devices=int(name))
        problem = ""
      if name != "8":
        yield name, problem or runs.far_from(copies[name], copies["8"])
