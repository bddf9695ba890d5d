"""Writes a dataset of pictures; `image_records.py` says what it looks like.

A shard is there whole or not at all, and is a function of some examples: so any
process may write any shard, and a run that was stopped goes on with those that
are not there. What was counted stands in a work folder until `finish`.
"""

from collections.abc import Iterable, Mapping, Sequence
import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
from typing import Any

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data import (
  crops,
  image_examples,
  image_info,
  image_rows,
)

WORK_FOLDER = ".preparing"
_PLAN = "plan.json"
_EXAMPLES_A_SHARD = 4_096
_MESSAGES = 10  # Of skipped examples, kept a shard.
_PACKAGES = ("numpy", "pillow", "array_record")


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


def file_name(split: str, index: int, num_shards: int) -> str:
  """The name of a shard."""
  return f"rows-{split}.array_record-{index:05d}-of-{num_shards:05d}"


def form_of(
  sources: Iterable[image_examples.Source], shape: tuple[int, int]
) -> Form:
  """The form of rows made of all these sources.

  Raises:
    InputError: two sources whose labels mean different things, no source, or a
      size out of range.
  """
  sources = list(sources)
  if not sources:
    raise errors.InputError("sources: none are given")
  if not all(8 <= side <= 2048 for side in shape):
    raise errors.InputError(f"size: {tuple(shape)} is not in 8 to 2048")
  names = {}
  for what in ("class_names", "label_names"):
    given = {getattr(s, what): s.place for s in sources if getattr(s, what)}
    if len(given) > 1:
      first, second = list(given.items())[:2]
      raise errors.InputError(
        f"{what}: {first[1]} has {len(first[0])} ({first[0][0]}, ...), "
        f"{second[1]} has {len(second[0])} ({second[0][0]}, ...); all sources "
        "of a dataset need the same"
      )
    names[what] = next(iter(given), ())
  found = set().union(*(source.modalities for source in sources))
  modalities = tuple(name for name in crops.PICTURES if name in found)
  return Form(*shape, modalities, **names)


def write_dataset(
  directory: str,
  splits: Mapping[str, Sequence[image_examples.Source]],
  *,
  shape: tuple[int, int],
  if_bad: str = "fail",
  arguments: Mapping[str, Any] | None = None,
) -> image_info.ImageInfo:
  """Writes a dataset, or the rest of one, and prints what it holds.

  Every picture is cut to the ratio of the shape, around its middle, and
  resized once.

  Args:
    directory: the folder to write, made if absent. A complete dataset in it
      that was made from the same arguments and sources is left as it is.
    splits: the sources of "train" and of "eval"; their examples are rows in
      this order.
    shape: height and width of all pictures, 8 to 2,048.
    if_bad: "fail", or "skip" to leave bad pictures out.
    arguments: what to say in dataset.json about how it was made.

  Returns:
    What dataset.json says.

  Raises:
    InputError: a bad picture, sources that do not fit together, a split without
      a row, another dataset in the folder, or one that cannot be written to.
  """
  if set(splits) != set(image_info.SPLITS):
    raise errors.InputError(
      f"splits: {sorted(splits)} are not {image_info.SPLITS}"
    )
  image_examples.check_if_bad(if_bad)
  every = [source for name in image_info.SPLITS for source in splits[name]]
  form = form_of(every, shape)
  directory = os.path.abspath(os.path.expanduser(directory))
  plan = {
    **(arguments or {}),
    "size": list(shape),
    "if_bad": if_bad,
    "sources": [
      f"{name}: {source.place}, {len(source)} examples, {source.fingerprint()}"
      for name in image_info.SPLITS
      for source in splits[name]
    ],
  }
  plan = json.loads(json.dumps(plan))
  info = image_info.read(directory)
  if info:
    _check_same(directory, "a dataset", info.arguments, plan)
    print(f"{directory} is complete and made from these arguments: kept")
    return info
  try:
    _begin(directory, plan)
    counts = {
      name: list(_write_split(directory, name, splits[name], form, if_bad))
      for name in image_info.SPLITS
    }
    return finish(directory, counts, form, plan)
  except OSError as error:
    raise errors.InputError(
      f"data_dir: {directory} cannot be written to: {error}"
    ) from error


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
    _replace(temporary, file)
  except RuntimeError as error:  # A full disk, to ArrayRecord.
    raise OSError(f"{file}: {error}") from error
  finally:
    with contextlib.suppress(OSError):
      os.remove(temporary)
  messages = skipped[:_MESSAGES]
  return Counts(count, found, size, digest.hexdigest(), len(skipped), messages)


def finish(
  directory: str,
  counts: Mapping[str, Sequence[Counts]],
  form: Form,
  arguments: Mapping[str, Any],
) -> image_info.ImageInfo:
  """Writes dataset.json, which makes the dataset complete, and tidies up.

  Args:
    directory: it holds the shards, by `file_name`.
    counts: of every shard, by split.
    form: of all rows.
    arguments: what the dataset was made with; its "sources" are named.

  Raises:
    InputError: a split without a row.
  """
  for name in image_info.SPLITS:
    messages = [m for shard in counts[name] for m in shard.messages]
    skipped = sum(shard.skipped for shard in counts[name])
    if not sum(shard.rows for shard in counts[name]):
      first = f", the first one: {messages[0]}" if messages else ""
      raise errors.InputError(
        f"the split {name} has 0 rows; at least 1. {skipped} examples were "
        f"skipped{first}"
      )
    if skipped:
      print(f"{name}: {skipped} bad examples were skipped, such as")
      print("\n".join(f"  {message}" for message in messages[:_MESSAGES]))
  digests = {k: tuple(shard.digest for shard in v) for k, v in counts.items()}
  total = lambda what: {
    k: sum(getattr(shard, what) for shard in v) for k, v in counts.items()
  }
  info = image_info.ImageInfo(
    schema_version=image_info.SCHEMA_VERSION,
    sources=tuple(arguments["sources"]),
    **dataclasses.asdict(form),
    rows=total("rows"),
    with_modality={
      k: {m: sum(s.with_modality[m] for s in v) for m in form.modalities}
      for k, v in counts.items()
    },
    bytes=total("bytes"),
    skipped=total("skipped"),
    shard_rows={k: tuple(s.rows for s in v) for k, v in counts.items()},
    shard_digests=digests,
    digest=image_info.digest_of(
      **dataclasses.asdict(form), shard_digests=digests
    ),
    arguments=dict(arguments),
    versions={
      "python": platform.python_version(),
      **{name: importlib.metadata.version(name) for name in _PACKAGES},
    },
  )
  _write(
    os.path.join(directory, image_info.INFO_FILE), image_info.to_json(info)
  )
  shutil.rmtree(os.path.join(directory, WORK_FOLDER), ignore_errors=True)
  for name, rows in info.rows.items():
    print(
      f"{name}: {rows:,} rows of {info.bytes[name] / rows:,.0f} bytes; "
      + ", ".join(f"{n:,} {m}" for m, n in info.with_modality[name].items())
    )
  print(f"digest {info.digest}")
  return info


def _write_split(directory, split, sources, form, if_bad):
  """Yields the counts of each shard, written now or before a stop."""
  starts = np.cumsum([0, *(len(source) for source in sources)])
  total = int(starts[-1])
  num_shards = max(1, -(-total // _EXAMPLES_A_SHARD))
  for shard in range(num_shards):
    mark = os.path.join(directory, WORK_FOLDER, f"{split}-{shard:05d}.json")
    with contextlib.suppress(FileNotFoundError), open(mark) as stream:
      yield Counts(**json.load(stream))
      continue
    first = shard * _EXAMPLES_A_SHARD
    last = min(first + _EXAMPLES_A_SHARD, total)
    skipped: list[str] = []

    def examples(first=first, last=last, skipped=skipped):
      for source, start in zip(sources, starts[:-1].tolist(), strict=True):
        wanted = range(max(first - start, 0), min(last - start, len(source)))
        yield from image_examples.read_all(
          source, wanted, if_bad=if_bad, skipped=skipped
        )

    name = file_name(split, shard, num_shards)
    counts = write_shard(
      os.path.join(directory, name), examples(), form, skipped
    )
    _write(mark, json.dumps(dataclasses.asdict(counts)))
    yield counts


def _begin(directory, plan):
  """Makes the work folder, or finds in it the work of this very plan."""
  folder = os.path.join(directory, WORK_FOLDER)
  file = os.path.join(folder, _PLAN)
  os.makedirs(folder, exist_ok=True)
  try:
    with open(file, encoding="utf-8") as stream:
      made = json.load(stream)
  except FileNotFoundError:
    _write(file, json.dumps(plan))
  except ValueError as error:
    raise errors.InputError(f"{file}: is not JSON; delete {folder}") from error
  else:
    _check_same(directory, "an unfinished dataset", made, plan)


def _check_same(directory, what, made, plan):
  """Raises InputError unless something was made from this plan."""
  for name in sorted({*made, *plan}):
    if made.get(name) != plan.get(name):
      raise errors.InputError(
        f"data_dir: {directory} holds {what} made with {name} = "
        f"{made.get(name)!r}, not {plan.get(name)!r}; give another folder, or "
        "delete this one"
      )


def _write(file, text):
  """Writes a text so that it is there whole or not."""
  temporary = f"{file}.incomplete-{os.getpid()}"
  with open(temporary, "w", encoding="utf-8") as stream:
    stream.write(text)
  _replace(temporary, file)


def _replace(temporary, file):
  """Renames a file once all of it is on disk."""
  with open(temporary, "rb") as stream:
    os.fsync(stream.fileno())
  os.replace(temporary, file)
