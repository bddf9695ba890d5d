"""Makes a dataset of pictures; `image_records.py` says what it looks like.

A run that was stopped goes on with the shards that are not there.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
from typing import Any

from taskrobust_jax import errors, lock
from taskrobust_jax.data import stored
from taskrobust_jax.data.pictures import (
  crops,
  image_examples,
  image_info,
  image_shards,
)
from taskrobust_jax.data.pictures.image_shards import Counts, Form

_PLAN = "plan.json"
_PACKAGES = ("numpy", "pillow", "array_record")


def prepare(
  directory: str,
  splits: Mapping[str, Sequence[image_examples.Source]],
  *,
  shape: tuple[int, int],
  if_bad: str = "fail",
  num_workers: int = 1,
  is_dry: bool = False,
) -> image_info.ImageInfo | None:
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
    num_workers: processes; 1 for this one alone.
    is_dry: check and tell what would be made, and write nothing.

  Returns:
    What dataset.json says; None if it is not there and is not made.

  Raises:
    InputError: a bad picture, sources that do not fit together, a split without
      a row, another dataset in the folder, or one that cannot be written to or
      is in use.
    ChildProcessError: a worker process was killed.
  """
  if num_workers < 1:
    raise errors.InputError(f"num_workers: {num_workers} is below 1")
  if set(splits) != set(stored.SPLITS):
    raise errors.InputError(f"splits: {sorted(splits)} are not {stored.SPLITS}")
  image_examples.check_if_bad(if_bad)
  every = [source for name in stored.SPLITS for source in splits[name]]
  form = _form_of(every, shape)
  directory = os.path.abspath(os.path.expanduser(directory))
  plan = {
    "size": list(shape),
    "sources": [
      f"{name}: {source.place}, {len(source)} examples, {source.fingerprint()}"
      for name in stored.SPLITS
      for source in splits[name]
    ],
  }
  info = image_info.read(directory)
  if info:
    _check_same(directory, "a dataset", info.arguments, plan)
    left_out = sum(info.skipped.values())
    if left_out and if_bad == "fail":
      raise errors.InputError(
        f"data_dir: {directory} holds a dataset that leaves out {left_out} bad "
        'examples, and if_bad is "fail"'
      )
    print(f"{directory} is complete and made from these arguments: kept")
    return info
  if is_dry:
    print("\n".join(plan["sources"]))
    print(f"{form.height} x {form.width} pixels: {', '.join(form.modalities)}")
    print(f"data_dir {directory}: would be made")
    return None
  try:
    os.makedirs(directory, exist_ok=True)
    with lock.held(directory):
      _begin(directory, plan)
      work = image_shards.Work(
        directory,
        {name: tuple(splits[name]) for name in stored.SPLITS},
        form,
        if_bad,
      )
      counts = image_shards.write_all(work, num_workers)
      return _finish(directory, counts, form, plan)
  except ChildProcessError:
    raise
  except OSError as error:
    raise errors.InputError(
      f"data_dir: {directory} cannot be written to: {error}"
    ) from error


def _form_of(
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


def _finish(
  directory: str,
  counts: Mapping[str, Sequence[Counts]],
  form: Form,
  arguments: Mapping[str, Any],
) -> image_info.ImageInfo:
  """Writes dataset.json, which makes the dataset complete, and tidies up."""
  for name in stored.SPLITS:
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
      print(
        "\n".join(
          f"  {message}" for message in messages[: image_shards.MESSAGES]
        )
      )
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
  stored.write_text(
    os.path.join(directory, stored.INFO_FILE), image_info.to_json(info)
  )
  shutil.rmtree(
    os.path.join(directory, image_shards.WORK_FOLDER), ignore_errors=True
  )
  for name, rows in info.rows.items():
    print(
      f"{name}: {rows:,} rows of {info.bytes[name] / rows:,.0f} bytes; "
      + ", ".join(f"{n:,} {m}" for m, n in info.with_modality[name].items())
    )
  print(f"digest {info.digest}")
  return info


def _begin(directory, plan):
  """Makes the work folder, or finds in it the work of this very plan."""
  folder = os.path.join(directory, image_shards.WORK_FOLDER)
  file = os.path.join(folder, _PLAN)
  os.makedirs(folder, exist_ok=True)
  try:
    with open(file, encoding="utf-8") as stream:
      made = json.load(stream)
  except FileNotFoundError:
    stored.write_text(file, json.dumps(plan))
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
