"""The tiny run that is tortured, and when two of them are equal."""

import pathlib
import socket

import numpy as np

from taskrobust_jax.storage import saved
from taskrobust_jax.storage.verify import verify
from tests import programs

LAST = 60
# Saved at 10, 20, ...; evaluated at 15, 30, ... too; a row at 4, 8, ...
CHANGES = {
  "num_steps": LAST,
  "batch_size": 32,
  "log_every": 4,
  "evaluation__every": 15,
  "checkpoint__every": 10,
}


class Place:
  """Where a torture happens: the data, and folders for runs."""

  def __init__(self, folder: pathlib.Path):
    """Prepares the data."""
    self.folder = folder
    self._number = 0
    programs.write_treebank(folder / "all.conllu")
    code, _, err = programs.run(
      "prepare",
      *programs.config(data__train_path=folder / "all.conllu"),
      f"--data_dir={folder / 'data'}",
    )
    assert code == 0, err

  def workdir(self) -> pathlib.Path:
    """A new one."""
    self._number += 1
    return self.folder / f"run{self._number}"

  def flags(self, workdir, *more, **changes) -> list[str]:
    """Of `pretrain`."""
    return [
      *programs.run_flags(self.folder, workdir, **{**CHANGES, **changes}),
      *more,
    ]


def steps_of(workdir) -> list[int]:
  return saved.steps_in(workdir / "checkpoints")


def arrays_of(workdir, step=LAST) -> dict[str, bytes]:
  """Params, optimizer state and adversary, byte by byte."""
  arrays = verify(workdir / "checkpoints", step)
  return {path: array.tobytes() for path, array in arrays.items()}


def difference(workdir, other, last=LAST) -> str:
  """What differs between two finished runs; "" if nothing does."""
  for name in ("metrics.jsonl", "manifest.json"):
    if (workdir / name).read_bytes() != (other / name).read_bytes():
      return f"{name} differs"
  one, two = arrays_of(workdir, last), arrays_of(other, last)
  if one.keys() != two.keys():
    return "other arrays"
  paths = [path for path in one if one[path] != two[path]]
  if paths:
    return f"array {paths[0]} differs"
  manifests = [
    saved.read_manifest(x / "checkpoints", last) for x in (workdir, other)
  ]
  if manifests[0] != manifests[1]:
    return "the last checkpoint's manifest differs"
  if any(".lock" in x.name for x in workdir.iterdir()):
    return "a lock was left"
  return ""


def far_from(workdir, other, tolerance=1e-5) -> str:
  """What is not nearly equal between two runs; their batches must be equal."""
  rows, others = programs.rows_of(workdir), programs.rows_of(other)
  if [row.keys() for row in rows] != [row.keys() for row in others]:
    return "other rows"
  key = "train/order_digest"
  if [row.get(key) for row in rows] != [row.get(key) for row in others]:
    return "other batches"
  for row, expected in zip(rows, others):
    for name in row:
      if not np.isclose(row[name], expected[name], tolerance, tolerance):
        return (
          f"step {row['step']}: {name} is {row[name]}, not {expected[name]}"
        )
  return ""


def free_port() -> int:
  """A port whose lower neighbour is free too."""
  while True:
    with socket.socket() as upper, socket.socket() as lower:
      upper.bind(("127.0.0.1", 0))
      port = upper.getsockname()[1]
      try:
        lower.bind(("127.0.0.1", port - 1))
        return port
      except OSError:
        continue
