"""A disk that fills up, and what a long run uses up."""

import contextlib
import gc
import io
import os
import pathlib
import shutil
import subprocess
import tempfile

from taskrobust_jax import errors
from taskrobust_jax.train import loop
from taskrobust_jax.train.folder import RunFolder
from tests.torture import runs
from tests.train import toy

# Long enough that a disk can fill up and be emptied meanwhile.
STEPS = 600


@contextlib.contextmanager
def small_disk(megabytes):
  """A folder on a disk of its own; `None` where we may not mount one."""
  with tempfile.TemporaryDirectory() as folder:
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "x", folder]
    is_root = os.geteuid() == 0 and shutil.which("mount")
    if not is_root or subprocess.run(command, capture_output=True).returncode:
      yield None
      return
    try:
      yield pathlib.Path(folder)
    finally:
      subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
  """Leaves no byte free; returns the file to be removed."""
  file = folder / "ballast"
  with contextlib.suppress(OSError), file.open("wb", buffering=0) as stream:
    while stream.write(b"x" * 4096):
      pass
  return file


def full_disk(place, forks):
  """Yields what went wrong; nothing at all where no disk can be mounted."""
  whole = place.workdir()
  assert forks.run(place.flags(whole, num_steps=STEPS)).code == 0
  for policy in ("stop", "continue"):
    with small_disk(8) as disk:
      if disk is None:
        return
      yield _full_disk(place, forks, disk, policy, whole)


def _full_disk(place, forks, disk, policy, whole):
  workdir = disk / "run"
  flags = place.flags(
    workdir, num_steps=STEPS, **{"checkpoint__on_error": policy}
  )
  program = forks.start(flags)
  program.wait(until=lambda: len(runs.steps_of(workdir)) >= 2)
  ballast = fill(disk)
  program.wait_for("WARNING" if policy == "continue" else "error: ")
  if policy == "continue":
    if program.is_over():
      return f"it ended: {program.text()[-500:]}"
    ballast.unlink()
    program.wait()
    if program.code:
      return f"exit code {program.code}: {program.text()[-500:]}"
    return runs.difference(workdir, whole, STEPS)
  program.wait()
  said = program.errors()
  if program.code != 1 or len(said) != 1 or str(workdir) not in said[0]:
    return f"exit code {program.code}: {program.text()[-500:]}"
  if not runs.steps_of(workdir):
    return "no checkpoint is left"
  ballast.unlink()
  again = forks.run(flags)
  if again.code or "continues at step" not in again.text():
    return again.text()[-500:]
  return runs.difference(workdir, whole, STEPS)


def used():
  """(bytes of memory, open files, threads) of this process."""
  pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
  files = len(os.listdir("/proc/self/fd"))
  threads = len(os.listdir("/proc/self/task"))
  return pages * os.sysconf("SC_PAGE_SIZE"), files, threads


def long_run(num_steps=5000):
  """Trains on and on; what grew, or ""."""
  experiment = toy.small_experiment(
    num_steps=num_steps,
    log_every=5,
    evaluation__every=50,
    checkpoint__every=50,
  )
  seen = {}

  def train_step(state, batch):
    state, metrics = experiment.train_step(state, batch)
    step = int(state.step)
    if step in (num_steps // 5, num_steps - 1):
      gc.collect()
      seen[step] = used()
    return state, metrics

  with tempfile.TemporaryDirectory() as folder:
    with (
      RunFolder(folder, experiment) as opened,
      contextlib.redirect_stdout(io.StringIO()),  # The table stands there.
    ):
      code = loop.train(experiment._replace(train_step=train_step), opened)
  assert code == errors.DONE
  (memory, files, threads), last = seen.values()
  grown = last[0] - memory
  # The allocator's pools breathe; a leak of 4 kB a step would be 16 MB.
  if grown > 16e6 or last[1] > files + 3 or last[2] > threads + 3:
    return f"memory +{grown:,}, files {files} to {last[1]}, threads " + (
      f"{threads} to {last[2]}"
    )
  return ""
