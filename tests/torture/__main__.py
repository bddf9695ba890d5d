"""`python -m tests.torture [full|reduced]`: see launch/torture.sh."""

import itertools
import pathlib
import signal
import sys
import tempfile
import time

from tests import conftest  # noqa: F401  Before jax: CPU devices.


def main(words) -> int:
  """Prints the table; the exit code is 1 if anything was lost."""
  words = words or ["full"]
  if words not in (["full"], ["reduced"]):
    print(f"error: give full or reduced, got {words}", file=sys.stderr)
    return 2
  lost = 0
  print(f"{'case':<44} {'tries':>5} {'survived':>8} {'lost':>5}  seconds")
  problems, begun = [], time.monotonic()
  with tempfile.TemporaryDirectory() as folder:
    for name, results in cases(pathlib.Path(folder), words == ["full"]):
      found = []
      for problem in results:
        found.append(problem)
        if problem:
          problems.append(f"{name}: {problem}")
      num_lost = sum(map(bool, found))
      lost += num_lost
      begun, seconds = time.monotonic(), time.monotonic() - begun
      if not found:
        print(f"{name:<44}  skipped: no disk can be mounted here", flush=True)
        continue
      print(
        f"{name:<44} {len(found):>5} {len(found) - num_lost:>8} {num_lost:>5}"
        f"  {seconds:7.0f}",
        flush=True,
      )
  for problem in problems:
    print(f"LOST {problem}")
  return 1 if lost else 0


def cases(folder, is_full):
  """(name, problems) of every case; they are tortured as they are read."""
  from tests.torture import damage, forks, kills, poison, resources, runs

  def times(full, reduced):
    return full if is_full else reduced

  (folder / "output").mkdir()
  place = runs.Place(folder)
  with forks.Forks(folder / "output") as started:
    killed = kills.Kills(place, started)
    damaged = damage.Damage(place, started, killed.whole)
    yield "two runs, bit-equal", killed.determinism()
    yield "SIGKILL at any time", killed.any_time(times(26, 2))
    yield "SIGKILL while saving", killed.while_saving(times(12, 1))
    yield "SIGKILL while evaluating", killed.while_evaluating(times(6, 1))
    yield "SIGKILL at the last write", killed.at_the_end(times(6, 1))
    yield "SIGTERM: saved, 75", killed.stopped(times(4, 1), signal.SIGTERM, 75)
    yield "SIGINT: saved, 130", killed.stopped(times(4, 1), signal.SIGINT, 130)
    yield "SIGINT twice: at once", killed.interrupted_twice(times(2, 1))
    every = damaged.all()
    if not is_full:
      every = itertools.islice(every, 3, 6)
    for name, problem in every:
      yield f"damage: {name}", [problem]
    yield "poison at random steps", poison.cases(times(48, 3))
    yield "disk full: stop, continue", resources.full_disk(place, started)
    yield "two processes, one is killed", killed.two_processes(times(6, 1))
    if is_full:
      yield "damage, in two processes", killed.damage_in_two_processes()
      for name, problem in killed.elastic():
        yield f"from 8 devices to {name}", [problem]
      yield "5,000 steps: memory, files, threads", [resources.long_run()]


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
