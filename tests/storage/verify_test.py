"""A checkpoint is read and checked without its model."""

import shutil

import jax
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.storage import saved, verify
from taskrobust_jax.storage.checkpoint import Checkpointer
from tests.train import toy


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """(folder, state on the host) of a run on eight devices."""
  experiment = toy.small_experiment()
  state = experiment.init_state()
  for step in range(2):
    state, _ = experiment.train_step(state, experiment.load_batch(step))
  folder = tmp_path_factory.mktemp("trained")
  checkpoints = Checkpointer(folder, experiment.identity)
  checkpoints.save(state, {})
  checkpoints.close()
  return folder, jax.device_get(state)


def test_every_array_is_read_bit_by_bit(trained):
  folder, state = trained
  arrays = verify.verify(folder, 2)
  expected = {
    jax.tree_util.keystr(path): leaf
    for path, leaf in jax.tree.leaves_with_path(state)
  }
  assert arrays.keys() == expected.keys()
  for path, array in arrays.items():
    assert array.dtype == expected[path].dtype
    assert array.tobytes() == np.asarray(expected[path]).tobytes()


def changed(trained, tmp_path, change):
  """The folder with a manifest that was changed and sealed again."""
  shutil.copytree(trained[0], tmp_path / "copy")
  manifest = saved.read_manifest(tmp_path / "copy", 2)
  change(manifest)
  file = tmp_path / "copy/2/manifest/metadata"
  file.write_text(saved.json.dumps(saved.sealed(manifest)))
  return tmp_path / "copy"


PATH = ".params['head']['bias']"


def array(text):
  """A change of what the manifest says of one array."""
  return lambda manifest: manifest["arrays"].update({PATH: text})


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda m: m["digests"].update({PATH: 1}), "has digest .*, saved was 1"),
    (
      lambda m: m["arrays"].update({PATH: "float32[4]"}),
      r"is float32\[3\], its",
    ),
    (
      lambda m: [m[part].pop(PATH) for part in ("arrays", "digests")],
      r"array params.head.bias is float32\[3\], its manifest says absent",
    ),
    (
      lambda m: m["arrays"].update({PATH: "float32[9e9]"}),
      "an array is 'float",
    ),
    (array("evil[1]"), "an array is 'evil"),
    (
      array(f"float32[{10**15}]"),
      "bytes; this machine's memory has",
    ),
  ],
)
def test_what_the_manifest_says_is_compared(trained, tmp_path, change, message):
  with pytest.raises(InputError, match=message):
    verify.verify(changed(trained, tmp_path, change), 2)
