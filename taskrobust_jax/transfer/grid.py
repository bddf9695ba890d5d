"""Many fine-tuning runs from one pre-trained model, in one folder.

WORKDIR/manifest.json                          of what, and by which settings
WORKDIR/<task>/<size>/seed<seed>/result.json   one run; written last
"""

from collections.abc import Sequence
import itertools
import json
import pathlib
import shutil
import time
from typing import Any, NamedTuple

import jax
from ml_collections import ConfigDict

from taskrobust_jax import files, lock
from taskrobust_jax.errors import InputError
from taskrobust_jax.storage.compare import differences
from taskrobust_jax.train.folder import MANIFEST, read_manifest, versions
from taskrobust_jax.train.metrics import clock
from taskrobust_jax.transfer.fine_tuning import FineTuner, selection_text
from taskrobust_jax.transfer.task import DownstreamTask, Encoder

RESULT = "result.json"


class Job(NamedTuple):
  """One fine-tuning run: its task's name, its size (0 for all), its seed."""

  task: str
  num_examples: int
  seed: int

  def folder(self, workdir: pathlib.Path) -> pathlib.Path:
    """Where its result lies."""
    size = str(self.num_examples or "all")
    return workdir / self.task / size / f"seed{self.seed}"


def jobs_of(
  tasks: Sequence[str], sizes: Sequence[int], seeds: Sequence[int]
) -> list[Job]:
  """All runs of a grid, those of a task together."""
  return [Job(*values) for values in itertools.product(tasks, sizes, seeds)]


def unfinished(workdir: pathlib.Path, jobs: Sequence[Job]) -> list[Job]:
  """Those that have no result yet."""
  return [job for job in jobs if not (job.folder(workdir) / RESULT).exists()]


def manifest_of(pretrained: dict[str, Any], config: ConfigDict) -> dict:
  """What must be equal for a folder to be continued, as JSON values."""
  return json.loads(
    json.dumps(
      {
        "kind": "finetune",
        "pretrained": pretrained,
        "config": config.to_dict(),
        "selection": selection_text(config),
      }
    )
  )


def check_workdir(workdir: pathlib.Path, manifest: dict[str, Any]) -> None:
  """Raises InputError unless a folder is new, empty, or of this manifest."""
  if (workdir / MANIFEST).exists():
    saved = read_manifest(workdir)
    found = differences({name: saved.get(name) for name in manifest}, manifest)
    if found:
      raise InputError(
        f"workdir {workdir} holds other runs: {'; '.join(found)}. Choose "
        "another workdir, or the model and settings of those"
      )
  elif workdir.exists() and any(
    file.name not in (f"{MANIFEST}.tmp", lock.LOCK)
    for file in workdir.iterdir()
  ):
    raise InputError(
      f"workdir {workdir} holds files but no {MANIFEST}; choose a new or an "
      "empty folder"
    )


def run(
  jobs: Sequence[Job],
  tasks: dict[str, DownstreamTask],
  encoder: Encoder,
  config: ConfigDict,
  manifest: dict[str, Any],
  workdir: pathlib.Path,
) -> None:
  """Runs what is not finished, one line a run.

  Args:
    jobs: All that are wanted.
    tasks: Those of the unfinished jobs, by name.
    encoder: What to start from.
    config: See `configs/finetune_glue.py`.
    manifest: From `manifest_of`.
    workdir: The folder.

  Raises:
    InputError: If the folder holds something else, is in use, or has results on
      other data.
    StoppedError: If it was asked to stop.
  """
  workdir.mkdir(parents=True, exist_ok=True)
  with lock.held(workdir):
    check_workdir(workdir, manifest)
    if not (workdir / MANIFEST).exists():
      kinds = sorted({device.device_kind for device in jax.devices()})
      files.write_object(
        workdir / MANIFEST,
        {**manifest, "versions": versions(), "device_kinds": kinds},
      )
    left = unfinished(workdir, jobs)
    for name, task in tasks.items():
      _check_data(workdir, name, task.digest)
    if len(left) < len(jobs):
      print(f"{len(jobs) - len(left)} of {len(jobs)} runs are finished")
    began = time.monotonic()
    tuner = None
    for number, job in enumerate(left, 1):
      task = tasks[job.task]
      if tuner is None or tuner.task is not task:
        tuner = FineTuner(task, encoder, config)
      folder = job.folder(workdir)
      shutil.rmtree(folder, ignore_errors=True)
      folder.mkdir(parents=True)
      result = tuner.run(job.seed, job.num_examples, folder)
      files.write_object(folder / RESULT, result)
      seconds = (time.monotonic() - began) / number * (len(left) - number)
      print(_line(number, len(left), result, seconds), flush=True)


def rehearse(
  jobs: Sequence[Job],
  tasks: dict[str, DownstreamTask],
  encoder: Encoder,
  config: ConfigDict,
  workdir: pathlib.Path,
) -> None:
  """Prints what `run` would do, from a few steps of each task and size."""
  left = unfinished(workdir, jobs)
  print(f"{len(jobs)} runs, {len(jobs) - len(left)} of them finished")
  total = 0.0
  for (name, size), group in itertools.groupby(left, lambda job: job[:2]):
    seeds = [job.seed for job in group]
    rows, steps, seconds = FineTuner(tasks[name], encoder, config).rehearse(
      seeds[0], size
    )
    total += len(seeds) * seconds
    print(
      f"{name:<12} {rows:>7,} rows, {steps:,} steps, {clock(seconds)} a run; "
      f"seeds {', '.join(map(str, seeds))}"
    )
  print(
    f"about {clock(total)} of training in all, compiling and judging not "
    f"counted; results would be in {workdir}"
  )


def _line(number: int, count: int, result: dict, seconds: float) -> str:
  size = result["num_examples"] or "all"
  selected = result["select_score"]
  shown = "" if selected is None else f" (selected by {selected:.3f})"
  return (
    f"[{number:>{len(str(count))}}/{count}] {result['task']:<8} {size:>5} "
    f"seed {result['seed']}  {result['score_name']} {result['score']:.3f}"
    f"{shown}  step {result['step']} of {result['num_steps']}  "
    f"{result['seconds']:.0f} s  {clock(seconds)} left"
  )


def _check_data(workdir: pathlib.Path, name: str, digest: str) -> None:
  """Raises InputError if results of a task are of other data."""
  for file in (workdir / name).glob(f"*/*/{RESULT}"):
    try:
      seen = json.loads(file.read_text("utf-8"))["data_digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
      raise InputError(f"{file} is no result: {error}") from error
    if seen != digest:
      raise InputError(
        f"{file} is of other data: their digest is {seen}, now it is {digest}; "
        "choose another workdir, or that data"
      )
