"""Writes the shards of a dataset of pictures, each whole or not at all.

A shard is a function of some examples, so any process may write any shard. What
was counted in it stands in a work folder, until all of them are there.
"""

from collections.abc import Iterable, Mapping
from concurrent import futures
import contextlib
import dataclasses
import json
import multiprocessing
import os
from typing import Any, NamedTuple

from taskrobust_jax import errors, files
from taskrobust_jax.data import stored
from taskrobust_jax.data.pictures import crops, image_examples, image_rows

WORK_FOLDER = ".preparing"
_EXAMPLES_A_SHARD = 1_024
MESSAGES = 10  # Of skipped examples, kept a shard.
_work_of_this_process: "Work"  # Of a worker.


@dataclasses.dataclass(frozen=True)
class Form:
  """What all rows of a dataset have in common.

  Attributes:
    height: of the pictures, in pixels.
    width: of the pictures, in pixels.
    modalities: those that a row may have.
    class_names: of the labels of pixels.
    label_names: of the pictures' labels.
  """

  height: int
  width: int
  modalities: tuple[str, ...]
  class_names: tuple[str, ...]
  label_names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Counts:
  """What one shard holds.

  Attributes:
    rows: rows.
    with_modality: rows by modality.
    bytes: of the records.
    digest: `image_rows.Digest` of the rows.
    skipped: bad examples that were left out.
    messages: of the first of these.
  """

  rows: int
  with_modality: dict[str, int]
  bytes: int
  digest: str
  skipped: int
  messages: list[str]


def write_shard(
  file: str,
  examples: Iterable[Mapping[str, Any]],
  form: Form,
  skipped: list[str],
) -> Counts:
  """Writes a shard so that it is there whole or not.

  Args:
    file: its path; a shard of that name is replaced.
    examples: of any sizes.
    form: of the dataset.
    skipped: messages about bad examples, which `examples` adds to.

  Returns:
    What was counted.

  Raises:
    InputError: an example that does not have the form.
    OSError: the file cannot be written.
  """
  from array_record.python import array_record_module

  shape = form.height, form.width
  found = dict.fromkeys(form.modalities, 0)
  digest = image_rows.Digest()
  count = size = 0
  temporary = f"{file}.incomplete-{os.getpid()}"
  try:
    # One record a group: rows are read one by one, in random order.
    writer = array_record_module.ArrayRecordWriter(temporary, "group_size:1")
    with contextlib.closing(writer):
      for example in examples:
        example = crops.fit(example, shape)
        stored = image_rows.to_stored(example, shape, len(form.class_names))
        label = stored.get(image_rows.LABEL, 0)
        if not 0 <= label < max(1, len(form.label_names)):
          raise errors.InputError(
            f"label: {label} is not in 0 to {len(form.label_names) - 1}"
          )
        record = image_rows.pack(stored)
        writer.write(record)
        digest.add(stored)
        count, size = count + 1, size + len(record)
        for name in form.modalities:
          found[name] += name in stored
    files.replace(temporary, file)
  except RuntimeError as error:  # A full disk, to ArrayRecord.
    raise OSError(f"{file}: {error}") from error
  finally:
    with contextlib.suppress(OSError):
      os.remove(temporary)
  messages = skipped[:MESSAGES]
  return Counts(count, found, size, digest.hexdigest(), len(skipped), messages)


class Work(NamedTuple):
  """All that the shards of a dataset are a function of.

  Attributes:
    directory: the dataset's folder.
    splits: the sources of each split.
    form: of all rows.
    if_bad: of `image_examples.IF_BAD`.
  """

  directory: str
  splits: dict[str, tuple[image_examples.Source, ...]]
  form: Form
  if_bad: str


def write_all(work: Work, num_workers: int) -> dict[str, list[Counts]]:
  """Writes all shards that are not there.

  Args:
    work: what they are made of.
    num_workers: processes; 1 for this one alone.

  Returns:
    The counts of every shard, by split.

  Raises:
    InputError: what `write_shard` and a source raise.
    ChildProcessError: a worker process was killed.
    OSError: the files cannot be written.
  """
  jobs = [
    (split, shard)
    for split, sources in work.splits.items()
    for shard in range(_num_shards(sources))
  ]
  if min(num_workers, len(jobs)) == 1:
    made = [_make(work, *job) for job in jobs]
  else:
    made = _make_by_processes(work, jobs, num_workers)
  counts: dict[str, list[Counts]] = {split: [] for split in work.splits}
  for (split, _), counted in zip(jobs, made, strict=True):
    counts[split].append(counted)
  return counts


def _make_by_processes(work, jobs, num_workers):
  pool = futures.ProcessPoolExecutor(
    num_workers,
    # Threads (of ArrayRecord) do not survive a fork.
    mp_context=multiprocessing.get_context("spawn"),
    # The names of a million files are sent once a process, not once a shard.
    initializer=_start_worker,
    initargs=(work,),
  )
  try:
    return list(pool.map(_make_in_worker, jobs))
  except futures.process.BrokenProcessPool as error:
    raise ChildProcessError(
      "a process that made rows was ended from outside (out of memory?); what "
      "is done is kept: give the same command again, perhaps with fewer "
      f"workers than {num_workers}"
    ) from error
  finally:
    pool.shutdown(cancel_futures=True)


def _start_worker(work):
  global _work_of_this_process
  _work_of_this_process = work


def _make_in_worker(job):
  return _make(_work_of_this_process, *job)


def _make(work, split, shard):
  """Writes a shard, unless it is there; returns what was counted."""
  mark = os.path.join(work.directory, WORK_FOLDER, f"{split}-{shard:05d}.json")
  with contextlib.suppress(FileNotFoundError), open(mark) as stream:
    counts = Counts(**json.load(stream))
    # A run before may have been told to skip what this one is to fail at.
    if not (counts.skipped and work.if_bad == "fail"):
      return counts
  sources = work.splits[split]
  name = stored.file_name(split, shard, _num_shards(sources))
  file = os.path.join(work.directory, name)
  skipped: list[str] = []
  examples = _examples(sources, shard, work.if_bad, skipped)
  counts = write_shard(file, examples, work.form, skipped)
  stored.write_text(mark, json.dumps(dataclasses.asdict(counts)))
  return counts


def _examples(sources, shard, if_bad, skipped):
  """The examples of a shard; a split's sources come one after the other."""
  first, start = shard * _EXAMPLES_A_SHARD, 0
  for source in sources:
    place = range(first - start, first - start + _EXAMPLES_A_SHARD)
    wanted = range(max(place.start, 0), min(place.stop, len(source)))
    yield from image_examples.read_all(
      source, wanted, if_bad=if_bad, skipped=skipped
    )
    start += len(source)


def _num_shards(sources):
  total = sum(len(source) for source in sources)
  return max(1, -(-total // _EXAMPLES_A_SHARD))
