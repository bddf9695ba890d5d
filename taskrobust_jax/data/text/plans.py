"""What a dataset is made from, and what of it stands in a folder already.

A plan is the arguments of `preparation.prepare` and the hashes of all files
that are read. A dataset that is complete, or begun, must be of the same plan.
"""

from collections.abc import Mapping
import glob
import json
import os
import shutil
from typing import Any

from taskrobust_jax import errors
from taskrobust_jax.data import stored
from taskrobust_jax.data.text import dataset_info, shards

_FILE = "plan.json"


def complete(
  directory: str, plan: Mapping[str, Any]
) -> dataset_info.DatasetInfo | None:
  """The dataset in a folder, if there is one.

  Raises:
    InputError: it was made from another plan.
  """
  info = dataset_info.read(directory)
  if info:
    made = {**info.arguments, "inputs": info.inputs}
    _check_same(directory, "a dataset", made, plan)
    print(f"{directory} is complete and made from these arguments: kept")
  return info


def _check_same(directory, what, made, plan) -> None:
  """Raises InputError unless something was made from this plan."""
  # Through JSON as the file went, so that tuples and lists compare equal.
  for name, wanted in json.loads(json.dumps(plan)).items():
    if made.get(name) == wanted:
      continue
    if name == "inputs":
      seen = made.get(name) or {}
      differing = [
        f for f in {**seen, **wanted} if seen.get(f) != wanted.get(f)
      ]
      raise errors.InputError(
        f"data_dir: {directory} holds {what} made with inputs of which "
        f"{len(differing)} differ, the first is {differing[0]}; give another "
        "folder, or delete this one"
      )
    raise errors.InputError(
      f"data_dir: {directory} holds {what} made with {name} = "
      f"{made.get(name)!r}, not {wanted!r}; give another folder, or delete "
      "this one"
    )


def begin(directory: str, folder: str, plan: dict[str, Any]) -> None:
  """Makes the work folder, or finds in it the work of this very plan.

  Args:
    directory: of the dataset.
    folder: the work folder in it.
    plan: of the dataset, with versions.

  Raises:
    InputError: the folder holds shards that were made from another plan.
  """
  file = os.path.join(folder, _FILE)
  made = shards.read_json(file)
  # Without a shard nothing is lost by a new start.
  has_shards = glob.glob(os.path.join(glob.escape(folder), "*.counts.json"))
  if made is not None and has_shards:
    _check_same(directory, "an unfinished dataset", made, plan)
    return
  # What an interrupted run has left.
  shutil.rmtree(folder, ignore_errors=True)
  remove_shards(directory, "*")
  os.makedirs(folder)
  shards.write_json(file, plan)


def remove_shards(directory: str, end: str) -> None:
  """Removes shards whose names end like this."""
  for split in stored.SPLITS:
    name = stored.file_name(split, 0, 0).partition("-00000")[0]
    pattern = os.path.join(glob.escape(directory), f"{name}-{end}")
    for file in glob.glob(pattern):
      os.remove(file)
