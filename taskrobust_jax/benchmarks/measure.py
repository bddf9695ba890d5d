"""How benchmarks measure: two functions in turn, one thread, CPU time.

On a shared machine the time of one function says little; the ratio of two that
run in turn says much. CPU time of the process leaves out the waiting.
"""

from collections.abc import Callable, Sequence
import datetime
from importlib import metadata
import json
import os
import pathlib
import platform
import time
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from taskrobust_jax.errors import InputError


class Ratio(NamedTuple):
  """Paired ratios of one function's time to another's.

  Attributes:
    median: Of the ratios.
    low: Lower end of the 95 % interval of the median.
    high: Upper end.
    seconds: Median seconds of the first function.
    base_seconds: Median seconds of the second.
    rounds: How many pairs.
  """

  median: float
  low: float
  high: float
  seconds: float
  base_seconds: float
  rounds: int


def use_one_thread() -> None:
  """Ties this process to one CPU core; call it before jax is imported."""
  os.environ["JAX_PLATFORMS"] = "cpu"  # CPU time says nothing of a GPU.
  os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def interleaved(
  functions: Sequence[Callable[[], Any]],
  rounds: int,
  warmup: int = 3,
  clock: Callable[[], float] = time.process_time,
) -> np.ndarray:
  """Seconds of functions that run in turn.

  The order turns round from round to round, so that what one leaves in the
  caches favours neither.

  Args:
    functions: Each runs to its end (blocks until the device is done).
    rounds: How often each is timed.
    warmup: Calls of each that are not counted: compilation, caches.
    clock: CPU time of this process, which on an accelerator says nothing.

  Returns:
    [rounds, len(functions)] f64.
  """
  seconds = np.zeros((rounds, len(functions)))
  for _ in range(warmup):
    for function in functions:
      function()
  places = range(len(functions))
  for index in range(rounds):
    for which in places if index % 2 else reversed(places):
      began = clock()
      functions[which]()
      seconds[index, which] = clock() - began
  return seconds


def paired_ratio(
  function: Callable[[], Any],
  base: Callable[[], Any],
  rounds: int,
  clock: Callable[[], float] = time.process_time,
  warmup: int = 3,
) -> Ratio:
  """Times two functions in turn and compares them pair by pair.

  The interval is that of order statistics: it assumes no distribution.

  Args:
    function: Runs to its end (blocks until the device is done).
    base: What it is compared with.
    rounds: Pairs, >= 6.
    clock: CPU time of this process, which on an accelerator says nothing.
    warmup: Calls of each that are not counted.

  Returns:
    A `Ratio`.
  """
  seconds = interleaved((function, base), rounds, warmup, clock)
  ratios = np.sort(seconds[:, 0] / seconds[:, 1])
  rank = int(stats.binom.ppf(0.025, rounds, 0.5))
  return Ratio(
    median=float(np.median(ratios)),
    low=float(ratios[rank - 1]),
    high=float(ratios[rounds - rank]),
    seconds=float(np.median(seconds[:, 0])),
    base_seconds=float(np.median(seconds[:, 1])),
    rounds=rounds,
  )


def chosen(names: Sequence[str], of: Sequence[Any]) -> list[Any]:
  """Those of the names of rows that a flag asks for, all if it asks for none.

  Raises:
    InputError: For a name that is none of them.
  """
  known = {str(name): name for name in of}
  for name in names:
    if name not in known:
      raise InputError(f"--names must be of {', '.join(known)}, got {name!r}")
  return [known[name] for name in names] or list(of)


def result_path(name: str) -> str:
  """Where a result of this device goes."""
  import jax  # Not at the top: `use_one_thread` comes first.

  device = jax.devices()[0].device_kind.replace(" ", "_").lower()
  return f"notebooks/results/{name}_{device}.json"


def replace_row(
  path: str, row: dict[str, Any], key: str, order: Sequence[Any]
) -> list[dict[str, Any]]:
  """The rows of a result's file, one of them put in or replaced.

  Args:
    path: Of the file, which need not be there.
    row: The new one.
    key: What names a row.
    order: All names, in the order of the file.
  """
  file = pathlib.Path(path)
  rows = json.loads(file.read_text("utf-8"))["rows"] if file.exists() else []
  by_name = {old[key]: old for old in rows} | {row[key]: row}
  return [by_name[name] for name in order if name in by_name]


def write(path: str, rows: list[dict[str, Any]], **settings: Any) -> None:
  """Writes rows as JSON, with the date, the machine, its load, the versions."""
  import jax  # Not at the top: `use_one_thread` comes first.

  cpu = platform.processor() or platform.machine()
  if os.path.exists("/proc/cpuinfo"):
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [x.split(":")[1].strip() for x in lines if "model name" in x]
    cpu = f"{names[0]}, {len(names)} cores" if names else cpu
  result = {
    "date": datetime.date.today().isoformat(),
    "cpu": cpu,
    "devices": [device.device_kind for device in jax.devices()],
    "load": [round(value, 2) for value in os.getloadavg()],
    "versions": {
      name: metadata.version(name) for name in ("jax", "flax", "optax")
    },
    "settings": settings,
    "rows": rows,
  }
  target = pathlib.Path(path)
  target.parent.mkdir(parents=True, exist_ok=True)
  target.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
  print(f"wrote {target}")
