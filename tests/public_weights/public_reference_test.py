"""Converted weights give what the public implementations give.

Run with the path of a Python that has torch and transformers (no torchvision):

  TASKROBUST_REFERENCE_PYTHON=/path/to/python \
    python -m pytest -m reference tests/public_weights/public_reference_test.py
"""

import os
import pathlib
import subprocess

import jax
import numpy as np
import pytest

from taskrobust_jax.models.patches import to_patches
from taskrobust_jax.public_weights import folders
from taskrobust_jax.storage import safetensors_file
from taskrobust_jax.train.loaded import model_of

PYTHON = os.environ.get("TASKROBUST_REFERENCE_PYTHON")
pytestmark = [
  pytest.mark.reference,
  pytest.mark.skipif(
    not PYTHON,
    reason="TASKROBUST_REFERENCE_PYTHON names no Python with transformers",
  ),
]
SCRIPT = pathlib.Path(__file__).with_name("write_public_models.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp("public")
  subprocess.run([PYTHON, str(SCRIPT), str(folder)], check=True, timeout=300)
  return folder


def test_bert(folder):
  given = safetensors_file.read(folder / "bert.safetensors")
  weights = folders.read("hf_bert", folder / "bert")
  model = model_of(weights.model)
  mask = given["attention_mask"].astype(np.int32)
  tokens = given["input_ids"].astype(np.int32)
  places = np.broadcast_to(np.arange(12, dtype=np.int32), tokens.shape)
  hidden = jax.jit(model.encode)(
    weights.params,
    tokens,
    mask,
    places,
    token_types=given["token_type_ids"].astype(np.int32),
  )
  is_shown = mask > 0
  np.testing.assert_allclose(
    hidden[is_shown], given["hidden"][is_shown], atol=1e-4
  )
  logits = jax.jit(model.apply)(weights.params, tokens, mask, places, places)
  np.testing.assert_allclose(
    logits[is_shown], given["logits"][is_shown], atol=1e-4
  )


def test_mae(folder):
  given = safetensors_file.read(folder / "mae.safetensors")
  weights = folders.read("hf_mae", folder / "mae")
  model = model_of(weights.model)
  pictures = given["pictures"].transpose(0, 2, 3, 1)
  patches = {"rgb": to_patches(2 * pictures - 1, 4)}
  order = given["order"].astype(np.int32)
  encoded = model.encode(weights.params, patches, order[:, :4])
  np.testing.assert_allclose(encoded, given["encoded"], atol=1e-4)
  predicted = model.apply(weights.params, patches, order, 4)
  np.testing.assert_allclose(predicted["rgb"], given["logits"], atol=1e-4)


def test_transformers_reads_what_is_written(folder, tmp_path):
  for form in ("bert", "mae"):
    weights = folders.read(f"hf_{form}", folder / form)
    folders.write(f"hf_{form}", tmp_path / form, weights)
  code = """
import sys, torch, transformers
theirs, ours, name = sys.argv[1:]
kind = getattr(transformers, name)
a, b = (kind.from_pretrained(x).state_dict() for x in (theirs, ours))
assert a.keys() == b.keys()
for key in a:
  assert torch.allclose(a[key], b[key], atol=1e-5), key
"""
  for form, name in (
    ("bert", "BertForMaskedLM"),
    ("mae", "ViTMAEForPreTraining"),
  ):
    places = str(folder / form), str(tmp_path / form)
    subprocess.run([PYTHON, "-c", code, *places, name], check=True, timeout=300)
