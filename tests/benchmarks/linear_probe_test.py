"""The probe of a frozen encoder."""

import jax.numpy as jnp
import numpy as np

from taskrobust_jax.benchmarks import linear_probe, pattern_semantic
from taskrobust_jax.tasks import modalities


class Oracle:
  """A suite whose encoder tells the targets, or nothing."""

  patch = 8
  num_patches = 16

  def __init__(self, knows):
    self.knows = knows

  def show(self, batch):
    return batch

  def apply(self, params, batch, every, method):
    kinds = modalities.make(6)
    tokens = jnp.concatenate(
      [kinds[name].show(batch, 8) for name in ("semseg", "normals")], -1
    )
    assert every.shape == tokens.shape[:2]
    return jnp.pad(self.knows * tokens, ((0, 0), (1, 0), (0, 0)))


def test_a_probe_finds_what_is_there_and_no_more():
  config = pattern_semantic.config_of("")
  config.data.update(image_size=32, train_rows=64, eval_rows=32)
  dataset = pattern_semantic.Kept(config)
  rows = dataset.split("eval").read([3, 1])
  np.testing.assert_array_equal(
    rows["rgb"][1], dataset.split("eval").values["rgb"][1]
  )

  def probe(knows):
    encode = linear_probe.encoder(Oracle(knows), 6)
    return linear_probe.probe(encode, None, dataset)

  best, worst = probe(1.0), probe(0.0)
  assert best["miou"] > 0.99
  assert best["accuracy"] > 0.99
  assert best["degrees"] < 2
  assert worst["miou"] < 0.3
  assert worst["degrees"] > 20
