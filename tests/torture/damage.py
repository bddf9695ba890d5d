"""Fourteen kinds of damage, each to be named in one line."""

import json
import shutil

import jax
import numpy as np
import orbax.checkpoint as ocp

from taskrobust_jax.storage import checkpoint, saved
from tests import programs
from tests.torture import runs

LATEST, BEFORE = 60, 50


def data_files(workdir):
  """Those that hold the latest checkpoint's numbers, not all of them in use."""
  return list((workdir / f"checkpoints/{LATEST}/state").rglob("d/*"))


def delete(workdir):
  for file in data_files(workdir):
    file.unlink()


def truncate(workdir):
  for file in data_files(workdir):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(workdir):
  for file in data_files(workdir):
    file.write_bytes(b"")


def flip(workdir):
  """64 bytes in the middle."""
  for file in data_files(workdir):
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    for i in range(max(middle - 32, 0), min(middle + 32, len(content))):
      content[i] ^= 0xFF
    file.write_bytes(content)


def remove_metadata(workdir):
  (workdir / f"checkpoints/{LATEST}/manifest/metadata").unlink()


def garble_metadata(workdir):
  """One letter, so that it is JSON still."""
  file = workdir / f"checkpoints/{LATEST}/manifest/metadata"
  text = file.read_text()
  assert '"float32[' in text
  file.write_text(text.replace('"float32[', '"float16[', 1))


def empty_step(workdir):
  shutil.rmtree(workdir / f"checkpoints/{LATEST}")
  (workdir / f"checkpoints/{LATEST}").mkdir()


def _rewrite(workdir, change):
  """Saves the same tree with one array changed, by Orbax."""
  place = workdir / f"checkpoints/{LATEST}"
  device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  target = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device),
    checkpoint.shapes_in(place),
  )
  state = jax.device_get(checkpoint.read(place, target))
  bias = state["params"]["head"]["bias"]
  state["params"]["head"]["bias"] = change(bias)
  shutil.rmtree(place / "state")
  with ocp.StandardCheckpointer() as writer:
    writer.save((place / "state").absolute(), state)


def other_shape(workdir):
  _rewrite(workdir, lambda bias: np.concatenate([bias, bias[:1]]))


def other_dtype(workdir):
  _rewrite(workdir, lambda bias: bias.astype(np.float16))


def other_tasks(workdir):
  """The order of tasks is what their weights are told apart by."""
  file = workdir / f"checkpoints/{LATEST}/manifest/metadata"
  manifest = saved.read_manifest(workdir / "checkpoints", LATEST)
  manifest["task_names"].reverse()
  file.write_text(json.dumps(saved.sealed(manifest)))


def stale_folder(workdir):
  """What a kill while saving leaves, on the way to the last step."""
  shutil.rmtree(workdir / f"checkpoints/{LATEST}")
  shutil.copytree(
    workdir / f"checkpoints/{BEFORE}",
    workdir / f"checkpoints/{LATEST}.orbax-checkpoint-tmp",
  )


# Kind -> what it does to a run's folder, and what the line must say.
FALLS_BACK = {
  "file deleted": (delete, "cannot be read"),
  "file truncated": (truncate, "cannot be read"),
  "file emptied": (empty, "cannot be read"),
  "64 bytes flipped": (flip, f"{LATEST} "),
  "metadata removed": (remove_metadata, "is damaged: [Errno 2]"),
  "metadata garbled": (garble_metadata, "does not have the sha256"),
  "empty step folder": (empty_step, "the folder is empty"),
  "wrong shape": (other_shape, "is not compatible with the stored shape"),
  "wrong dtype": (other_dtype, ".params['head']['bias'] has digest"),
}


class Damage:
  """The cases of one place, each yielding (name, what was wrong or "")."""

  def __init__(self, place, forks, whole):
    """Takes a finished run as the one that is damaged."""
    self._place, self._forks, self._whole = place, forks, whole

  def _copy(self):
    workdir = self._place.workdir()
    shutil.copytree(self._whole, workdir)
    return workdir

  def falls_back(self):
    """Damage that an older checkpoint is the answer to."""
    for name, (hurt, words) in FALLS_BACK.items():
      yield name, self._falls_back(hurt, words)

  def _falls_back(self, hurt, words):
    workdir = self._copy()
    hurt(workdir)
    code, out, _ = programs.run("check_run", str(workdir))
    if code != 2 or f"step  {LATEST}: DAMAGED" not in out:
      return f"check_run: exit code {code}: {out}"
    if f"step  {BEFORE}: whole" not in out:
      return f"check_run does not find step {BEFORE} whole: {out}"
    flags = self._place.flags(workdir)
    strict = self._forks.run([*flags, f"--restore_step={LATEST}"])
    if strict.code != 2 or len(strict.errors()) != 1:
      return f"--restore_step: {strict.code}: {strict.text()}"
    program = self._forks.run(flags)
    said = [x for x in program.text().splitlines() if x.startswith("skips ")]
    if len(said) != 1 or f"checkpoints/{LATEST} " not in said[0]:
      return f"it says {said}: {program.text()}"
    if words not in said[0]:
      return f"it says {said[0]}"
    if f"continues at step {BEFORE} of" not in program.text():
      return program.text()
    return runs.difference(workdir, self._whole)

  def is_refused(self):
    """Another run's checkpoint, or another run in this one's folder."""
    data = self._place.folder / "other_data"
    shutil.copytree(self._place.folder / "data", data)
    with (data / "tokenizer.json").open("a") as file:
      file.write(" ")
    for name, hurt, more, words in (
      ("tasks reordered", other_tasks, [], "its task_names is"),
      ("other seed", None, ["--config.seed=1"], "config.seed is 0, not 1"),
      (
        "other config",
        None,
        ["--config.model.width=16"],
        "config.model.width is 8, not 16",
      ),
      ("other tokenizer", None, [f"--data_dir={data}"], "is not the tokenizer"),
    ):
      workdir = self._copy()
      if hurt:
        hurt(workdir)
      program = self._forks.run(self._place.flags(workdir, *more))
      said = program.errors()
      problem = ""
      if program.code != 2 or len(said) != 1 or words not in said[0]:
        problem = f"exit code {program.code}: {program.text()}"
      yield name, problem

  def is_harmless(self):
    """What is left over is removed."""
    workdir = self._copy()
    stale_folder(workdir)
    code, out, _ = programs.run("check_run", str(workdir))
    problem = "" if code == 0 and "1 unfinished" in out else out
    program = self._forks.run(self._place.flags(workdir))
    if program.code:
      problem = program.text()
    elif list((workdir / "checkpoints").glob("*tmp*")):
      problem = "it is still there"
    yield (
      "stale temporary folder",
      problem or runs.difference(workdir, self._whole),
    )

  def all(self):
    """The fourteen."""
    yield from self.falls_back()
    yield from self.is_refused()
    yield from self.is_harmless()
