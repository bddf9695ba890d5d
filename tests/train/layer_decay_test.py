"""Layer-wise decay of the learning rate."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from taskrobust_jax import minimax
from taskrobust_jax.errors import InputError
from taskrobust_jax.train import layer_decay, optimizer

PARAMS = {
  "encoder": {
    "embed": {"kernel": jnp.ones((2, 3))},
    "transformer": {
      "layers": {"dense": {"kernel": jnp.ones((3, 2, 2))}, "bias": jnp.ones(3)}
    },
  },
  "head": {"kernel": jnp.ones(2)},
}


def test_updates_grow_from_the_bottom_to_the_head():
  tx = layer_decay.scale_by_layer(0.5)
  updates, _ = tx.update(PARAMS, tx.init(PARAMS), PARAMS)
  encoder = updates["encoder"]
  # Of three layers.
  np.testing.assert_array_equal(encoder["embed"]["kernel"], 0.5**4)
  layers = encoder["transformer"]["layers"]
  expected = np.array([0.125, 0.25, 0.5])
  np.testing.assert_array_equal(layers["bias"], expected)
  np.testing.assert_array_equal(
    layers["dense"]["kernel"],
    np.broadcast_to(expected[:, None, None], (3, 2, 2)),
  )
  np.testing.assert_array_equal(updates["head"]["kernel"], 1.0)


def test_a_head_alone_is_left_as_it_is():
  head = {"head": PARAMS["head"]}
  tx = layer_decay.scale_by_layer(0.5)
  updates, _ = tx.update(head, tx.init(head), head)
  np.testing.assert_array_equal(updates["head"]["kernel"], 1.0)


def step(**options):
  """The first update of the whole chain; its gradients are all 1."""
  adversary = minimax.ascend(minimax.make("uniform"), 1)
  tx = optimizer.make_optimizer(
    adversary,
    optax.constant_schedule(0.1),
    b1=0.9,
    b2=0.9,
    eps=1e-9,
    weight_decay=0.5,
    clip_norm=1e9,
    skip_norm_above=0.0,
    **options,
  )
  pull_back = lambda cotangent: (jax.tree.map(jnp.ones_like, PARAMS),)

  @jax.jit
  def update(params):
    return tx.update(
      pull_back,
      tx.init(params),
      params,
      task_losses=jnp.ones(1),
      is_present=jnp.array([True]),
      step=jnp.int32(0),
    )[0]

  return update(PARAMS)


def test_it_comes_after_adam_and_weight_decay():
  plain, decayed = step(), step(layer_decay=0.5)
  embed = lambda updates: updates["encoder"]["embed"]["kernel"]
  np.testing.assert_allclose(embed(plain), -0.1 * 1.5, rtol=1e-5)
  np.testing.assert_allclose(embed(decayed), embed(plain) / 16, rtol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 1.1, float("nan")])
def test_an_illegal_decay_is_named(decay):
  with pytest.raises(InputError, match=r"layer_decay must be in \(0, 1\]"):
    step(layer_decay=decay)
