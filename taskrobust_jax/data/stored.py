"""What datasets of text and of pictures share: shards, digests, messages."""

from collections.abc import Callable, Sequence
import os
from typing import Any, Protocol

from taskrobust_jax import errors, files

SPLITS = ("train", "eval")
INFO_FILE = "dataset.json"


def file_name(split: str, index: int, num_shards: int) -> str:
  """The name of a shard, as TFDS has it."""
  return f"rows-{split}.array_record-{index:05d}-of-{num_shards:05d}"


def write_text(file: str, text: str) -> None:
  """Writes a text so that it is there whole or not.

  The unfinished file is this process's own: one that lost its program may still
  be writing another.
  """
  temporary = f"{file}.incomplete-{os.getpid()}"
  with open(temporary, "w", encoding="utf-8") as stream:
    stream.write(text)
  files.replace(temporary, file)


class _Info(Protocol):
  """What a dataset.json says of shards."""

  rows: dict[str, int]
  shard_rows: dict[str, tuple[int, ...]]
  shard_digests: dict[str, tuple[str, ...]]


def check_complete(directory: str, info: _Info | None) -> None:
  """Raises InputError if there is no dataset.json."""
  if info is None:
    is_there = os.path.isdir(directory)
    problem = "holds no complete dataset" if is_there else "is no folder"
    raise errors.InputError(
      f"data_dir: {directory} {problem} (no {INFO_FILE}); prepare it with "
      "`python -m taskrobust_jax.prepare --config=CONFIG "
      f"--data_dir={directory}`"
    )


def check_split(name: str) -> None:
  """Raises InputError unless it is one of `SPLITS`."""
  if name not in SPLITS:
    raise errors.InputError(f"split: {name!r} is not one of {SPLITS}")


def check_indices(indices: Sequence[int], size: int, name: str) -> None:
  """Raises InputError unless all are rows of a split of this size."""
  if len(indices) and not 0 <= min(indices) <= max(indices) < size:
    raise errors.InputError(
      f"indices: {min(indices)} to {max(indices)}, but {name} has the rows 0 "
      f"to {size - 1}"
    )


def check_digest(place: str, wanted: str | None, seen: str) -> None:
  """Raises InputError if a digest is wanted and it is another one."""
  if wanted and wanted != seen:
    raise errors.InputError(
      f"digest: the config says {wanted}; the dataset in {place} has {seen}"
    )


def open_split(
  directory: str, info: _Info, name: str, make: Callable[[], Any]
) -> Any:
  """The source of a split's records.

  Args:
    directory: of the dataset.
    info: of the dataset.
    name: of the split.
    make: () -> the source, which has a length.

  Raises:
    InputError: another name, or shards that are absent, damaged or not of this
      dataset.
  """
  check_split(name)
  try:
    source = make()
    size = len(source)
  except Exception as error:  # TFDS's, ArrayRecord's and the disk's are many.
    raise errors.InputError(
      f"{directory}: the split {name} cannot be opened: {error}"
    ) from error
  if size != info.rows[name]:
    raise errors.InputError(
      f"{directory}: the split {name} has {size} rows; {INFO_FILE} says "
      f"{info.rows[name]}"
    )
  return source


def unreadable(
  directory: str, name: str, error: Exception
) -> errors.InputError:
  """The error of rows that cannot be read, whatever was raised."""
  return errors.InputError(
    f"{directory}: rows of the split {name} cannot be read, the files are "
    f"damaged or incomplete: {error}"
  )


def verify_shards(
  directory: str,
  info: _Info,
  open_rows: Callable[[str], Any],
  digest_of: Callable[[Any, int, int], str],
) -> None:
  """Reads every row.

  Args:
    directory: of the dataset.
    info: of the dataset.
    open_rows: the name of a split -> its rows.
    digest_of: (rows of a split, first, last) -> the digest of those.

  Raises:
    InputError: a shard that cannot be read or has other rows than those that
      were written: the first one is named.
  """
  for name in SPLITS:
    rows, first = open_rows(name), 0
    pairs = zip(info.shard_rows[name], info.shard_digests[name], strict=True)
    for i, (count, expected) in enumerate(pairs):
      place = f"shard {i} of {len(info.shard_rows[name])} of {name}"
      try:
        seen = digest_of(rows, first, first + count)
      except errors.InputError as error:
        raise errors.InputError(f"{place} is damaged: {error}") from error
      if seen != expected:
        raise errors.InputError(
          f"{directory}: {place} is damaged: the digest of its rows is {seen}, "
          f"{INFO_FILE} says {expected}"
        )
      first += count
