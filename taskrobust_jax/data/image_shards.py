"""One shard of a dataset of pictures, which is there whole or not at all."""

from collections.abc import Iterable, Mapping
import contextlib
import dataclasses
import os
from typing import Any

from taskrobust_jax import errors
from taskrobust_jax.data import (
  crops,
  image_rows,
)

MESSAGES = 10  # Of skipped examples, kept a shard.


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
  messages = skipped[:MESSAGES]
  return Counts(count, found, size, digest.hexdigest(), len(skipped), messages)


def write_text(file: str, text: str) -> None:
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
