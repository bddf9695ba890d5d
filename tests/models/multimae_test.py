"""The masked autoencoder: what each part sees, and MAE's arithmetic."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.models import multimae, patches
from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.multimae import MultiMae, MultiMaeOptions
from taskrobust_jax.models.transformer import TransformerOptions
from tests.models.random_params import random_params

GRID = (3, 4)
N = 12
V = 8
INPUTS = {"rgb": 12, "depth": 4}
OUTPUTS = {"rgb": 12, "hog": 3, "depth": 4}


def layers(num_layers, width):
  return TransformerOptions(
    num_layers,
    width,
    2,
    2 * width,
    dropout_rate=0.0,
    norm_epsilon=1e-6,
    pre_norm=True,
  )


OPTIONS = MultiMaeOptions(GRID, INPUTS, OUTPUTS, layers(1, 16), layers(1, 8))


@functools.cache
def model(**changes):
  options = dataclasses.replace(OPTIONS, **{**changes})
  init, apply = functional(lambda rngs: MultiMae(options, rngs))
  params = random_params(init)
  run = jax.jit(lambda params, *rows: apply(params, *rows, V))
  return params, apply, run


def rows(seed=0, num_rows=2):
  random = np.random.default_rng(seed)
  shown = {
    name: random.normal(size=(num_rows, N, size)).astype(np.float32)
    for name, size in INPUTS.items()
  }
  order = np.stack([random.permutation(2 * N) for _ in range(num_rows)])
  return shown, order.astype(np.int32)


def test_patches_are_those_of_mae_and_come_back():
  images = np.arange(2 * 6 * 8 * 3).reshape(2, 6, 8, 3)
  got = np.asarray(patches.to_patches(jnp.asarray(images), 2))
  for n, (i, j) in enumerate(np.ndindex(3, 4)):
    block = images[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
    np.testing.assert_array_equal(got[:, n], block.reshape(2, -1))
  back = patches.from_patches(jnp.asarray(got), 2, 3)
  np.testing.assert_array_equal(back, images)


def test_positions_are_those_of_mae():
  found = patches.sine_cosine_positions(3, 5, 12)
  for n, (row, column) in enumerate(np.ndindex(3, 5)):
    expected = [
      wave(place / 10_000 ** (i / 3))
      for place in (column, row)
      for wave in (np.sin, np.cos)
      for i in range(3)
    ]
    np.testing.assert_allclose(found[n], expected, atol=1e-6)
  with pytest.raises(InputError, match="a width that 4 divides, got 6"):
    patches.sine_cosine_positions(2, 2, 6)


def test_outputs_have_their_shapes():
  params, _, run = model()
  found = run(params, *rows())
  assert {name: x.shape for name, x in found.items()} == {
    name: (2, N, size) for name, size in OUTPUTS.items()
  }
  assert {x.dtype for x in found.values()} == {jnp.dtype("float32")}


def test_what_is_hidden_is_not_seen_and_what_is_visible_is():
  params, _, run = model()
  shown, order = rows()
  before = run(params, shown, order)
  for place, is_seen in ((order[0, V - 1], True), (order[0, V], False)):
    name, patch = ("rgb", "depth")[place // N], place % N
    changed = {k: v.copy() for k, v in shown.items()}
    changed[name][0, patch] += 1
    after = run(params, changed, order)
    for task in OUTPUTS:
      differs = (before[task] != after[task]).any((1, 2))
      np.testing.assert_array_equal(differs, [is_seen, False])


def test_the_order_among_the_visible_and_the_hidden_does_not_matter():
  params, _, run = model()
  shown, order = rows()
  other = np.concatenate([order[:, :V][:, ::-1], order[:, V:][:, ::-1]], 1)
  expected, found = run(params, shown, order), run(params, shown, other)
  for task in OUTPUTS:
    np.testing.assert_allclose(
      found[task], expected[task], rtol=2e-4, atol=2e-5
    )


def test_mapped_decoders_equal_a_loop():
  params, _, run = model()
  shown, order = rows()
  together = run(params, shown, order)
  for k, task in enumerate(OUTPUTS):
    alone, _, run_one = model(outputs=Frozen({task: OUTPUTS[task]}))
    alone = params | {
      "decoders": part_of(params["decoders"], slice(k, k + 1)),
      "heads": {task: params["heads"][task]},
    }
    np.testing.assert_allclose(
      run_one(alone, shown, order)[task], together[task], rtol=1e-4, atol=1e-5
    )


def part_of(tree, index):
  return jax.tree.map(lambda x: x[index], tree)


class Frozen(dict):
  """A dict that can be an argument of a cached function."""

  def __hash__(self):
    return hash(tuple(self.items()))


def test_a_task_trains_its_own_decoder_and_the_encoder():
  params, apply, _ = model()
  shown, order = rows()
  loss = lambda params: (apply(params, shown, order, V)["hog"] ** 2).sum()
  gradient = jax.jit(jax.grad(loss))(params)
  size = lambda tree: sum(float(abs(x).sum()) for x in jax.tree.leaves(tree))
  by_task = [size(part_of(gradient["decoders"], k)) for k in range(3)]
  assert by_task[1] > 0
  assert by_task[0] == by_task[2] == 0
  assert size(gradient["heads"]["rgb"]) == 0
  assert size(gradient["transformer"]) > 0
  assert size(gradient["embed"]) > 0


def test_the_number_of_products_does_not_grow_with_the_tasks():
  def count(outputs):
    params, apply, _ = model(outputs=Frozen(outputs))
    shown, order = rows()
    text = str(jax.make_jaxpr(lambda p: apply(p, shown, order, V))(params))
    return text.count("dot_general")

  # Each task adds its output layer alone.
  assert count(OUTPUTS) - count({"rgb": 12}) == 2


def test_one_decoder_can_serve_all_tasks():
  params, _, run = model(shares_decoder=True)
  assert params["decoders"]["mask_token"].shape == (1, 8)
  found = run(params, *rows())
  assert found.keys() == OUTPUTS.keys()


def test_without_cross_attention_a_decoder_sees_its_own_modality():
  params, apply, _ = model(
    has_cross_attention=False,
    inputs=Frozen({"rgb": 12}),
    outputs=Frozen({"rgb": 12}),
  )
  assert "attention" not in params["decoders"]
  shown, order = rows()
  order = np.argsort(order[:, :N], axis=1).astype(np.int32)
  run = jax.jit(lambda shown: apply(params, shown, order, 3)["rgb"])
  assert run(shown).shape == (2, N, 12)
  with pytest.raises(InputError, match="outputs must be inputs, got hog"):
    dataclasses.replace(OPTIONS, has_cross_attention=False)


def test_published_sizes():
  count = lambda name: sum(
    np.prod(x.shape)
    for x in jax.tree.leaves(
      jax.eval_shape(
        functional(lambda rngs: encoder_of(name, rngs))[0], jax.random.key(0)
      )
    )
  )

  def encoder_of(name, rngs):
    depth, width, heads = multimae.SIZES[name]
    inner = TransformerOptions(depth, width, heads, 4 * width, pre_norm=True)
    return multimae.Transformer(inner, rngs)

  # timm's vit_*_patch16_224 without embedding, norm and head.
  assert count("base") == 85_054_464
  assert count("tiny") == 5_338_368
