"""Who makes the shards: this process, several of them, or Apache Beam."""

from collections.abc import Callable, Sequence
import concurrent.futures
import multiprocessing
import os
import shlex
import signal
import threading
import time

from taskrobust_jax import errors
from taskrobust_jax.data.text import blocks

RUNNERS = ("local", "beam")

_SECONDS_A_LINE = 10.0


def check(runner: str, num_workers: int | None) -> None:
  """Raises InputError unless `run` can be called like this."""
  if runner not in RUNNERS:
    raise errors.InputError(
      f"runner: {runner!r} is not one of {', '.join(RUNNERS)}"
    )
  if num_workers is not None and num_workers < 1:
    raise errors.InputError(f"num_workers: {num_workers} is below 1")
  if runner == "beam":
    _import_beam()


def run(
  work: Sequence[tuple[blocks.Block, int]],
  *,
  runner: str = "local",
  num_workers: int | None = None,
  beam_options: str = "",
  is_small: bool = False,
) -> None:
  """Makes a shard of each block; the bytes are the same whoever makes it.

  Args:
    work: (block, characters in it).
    runner: one of `RUNNERS`.
    num_workers: processes of the local runner; None for one a core.
    beam_options: options of Beam's pipeline, as on a command line.
    is_small: the work is not worth starting processes for, unless their number
      was given.

  Raises:
    InputError: what a block's documents or an option give cause for.
    ChildProcessError: a process died.
  """
  if runner == "beam":
    _run_beam([block for block, _ in work], beam_options)
    return
  number = num_workers or (1 if is_small else num_cores())
  progress = Progress(work)
  if min(number, len(work)) <= 1:
    for block, _ in work:
      progress.done(blocks.make_shard(block))
  else:
    _run_processes(work, min(number, len(work)), progress.done)


def num_cores() -> int:
  """Cores that this process may use."""
  if hasattr(os, "sched_getaffinity"):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


class Progress:
  """Prints a line every ten seconds, in a file or a terminal alike."""

  def __init__(self, work: Sequence[tuple[blocks.Block, int]]):
    self._sizes = dict(work)
    self._begin = self._last = time.monotonic()
    self._blocks = self._characters = self._tokens = 0

  def done(self, block: blocks.Block) -> None:
    """Counts a block that is done."""
    counts = blocks.read_counts(block)
    self._blocks += 1
    self._characters += self._sizes[block]
    self._tokens += counts.tokens if counts else 0
    now = time.monotonic()
    if now - self._last < _SECONDS_A_LINE and self._blocks < len(self._sizes):
      return
    self._last = now
    share = self._characters / max(1, sum(self._sizes.values()))
    seconds = max(now - self._begin, 1e-9)
    left = seconds * (1 / share - 1) if share else 0.0
    print(
      f"{self._blocks:,} of {len(self._sizes):,} blocks, {share:.0%}, "
      f"{self._tokens / seconds:,.0f} tokens/s, {_duration(left)} left",
      flush=True,
    )


def _duration(seconds: float) -> str:
  minutes = round(seconds / 60)
  if minutes >= 120:
    return f"{minutes / 60:.1f} h"
  return f"{minutes} min" if minutes >= 2 else f"{seconds:.0f} s"


def _run_processes(
  work: Sequence[tuple[blocks.Block, int]],
  number: int,
  done: Callable[[blocks.Block], None],
) -> None:
  executor = concurrent.futures.ProcessPoolExecutor(
    number,
    # Threads (of the tokenizer, of ArrayRecord) do not survive a fork.
    mp_context=multiprocessing.get_context("spawn"),
    initializer=_start_worker,
    initargs=(os.getpid(),),
  )
  try:
    # The largest first, so that none begins when the others end.
    order = sorted(work, key=lambda item: -item[1])
    waiting = [executor.submit(blocks.make_shard, b) for b, _ in order]
    for future in concurrent.futures.as_completed(waiting):
      done(future.result())
  except concurrent.futures.process.BrokenProcessPool as error:
    raise ChildProcessError(
      "a process that made rows was ended from outside (out of memory?); what "
      "is done is kept: give the same command again, perhaps with fewer "
      f"--num_workers than {number}"
    ) from error
  finally:
    executor.shutdown(cancel_futures=True)


def _start_worker(parent: int) -> None:
  """Readies a process; it ends with the program, however that ends."""
  # One thread a process: there is a process for each core.
  os.environ["TOKENIZERS_PARALLELISM"] = "false"
  signal.signal(signal.SIGINT, lambda *_: os._exit(errors.INTERRUPTED))

  def watch():
    while os.getppid() == parent:
      time.sleep(0.5)
    os._exit(errors.FAULT)

  threading.Thread(target=watch, daemon=True).start()


def _import_beam():
  try:
    import apache_beam
  except ImportError as error:
    raise errors.InputError(
      "runner: 'beam' needs Apache Beam, whose pins do not fit ours: make an "
      "environment of its own from launch/requirements-beam.txt "
      f"({error})"
    ) from error
  return apache_beam


def _run_beam(work: Sequence[blocks.Block], options: str) -> None:
  """The same function, given to a Beam pipeline.

  Beam's workers must see the dataset's folder under the same path.
  """
  beam = _import_beam()
  from apache_beam.options import pipeline_options

  flags = pipeline_options.PipelineOptions(shlex.split(options))
  with beam.Pipeline(options=flags) as pipeline:
    _ = (
      pipeline
      | beam.Create(list(work))
      | beam.Reshuffle()  # Else one worker would run all of them.
      | beam.Map(_make_shard)
    )


def _make_shard(block) -> None:
  # Beam may hand on the tuple as a list.
  blocks.make_shard(tuple(block))
