"""BERT against NumPy, and what packing must not mix."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.models import bert
from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.transformer import TransformerOptions
from taskrobust_jax.planning.flops import count_flops

INNER = TransformerOptions(2, 8, 2, 16, dropout_rate=0.0)
OPTIONS = bert.BertOptions(30, 12, INNER)


def make(**changes):
  inner = dataclasses.replace(INNER, **changes)
  options = dataclasses.replace(OPTIONS, transformer=inner)
  init, apply = functional(lambda rngs: bert.Bert(options, rngs))
  return jax.jit(init), jax.jit(apply, static_argnames="method")


@pytest.fixture(scope="module")
def params():
  init, _ = make()
  values = init(jax.random.key(0))
  # Larger than BERT's initial values, so that every part matters.
  random = np.random.default_rng(1)
  return jax.tree.map(
    lambda x: x + 0.3 * random.normal(size=x.shape).astype(np.float32), values
  )


def inputs(seed=0):
  random = np.random.default_rng(seed)
  tokens = random.integers(5, 30, (2, 12)).astype(np.int32)
  segments = np.array([[1] * 5 + [2] * 4 + [0] * 3, [1] * 12], np.int32)
  positions = np.array([[*range(5), *range(4), 0, 0, 0], [*range(12)]])
  return tokens, segments, positions.astype(np.int32)


def numpy_forward(params, tokens, segments, positions, at):
  """The same model in float64, one row and one head at a time."""
  p = jax.tree.map(lambda x: np.asarray(x, np.float64), params)

  def norm(x, q):
    x = x - x.mean(-1, keepdims=True)
    return (
      x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12) * q["scale"]
      + q["bias"]
    )

  def linear(x, q):
    return x @ q["kernel"] + q["bias"]

  gelu = np.vectorize(lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))))
  logits = []
  for row in range(len(tokens)):
    x = (
      p["word"]["embedding"][tokens[row]]
      + p["position"]["embedding"][positions[row]]
      + p["token_type"]["embedding"][0]
    )
    x = norm(x, p["norm"])
    may = segments[row][:, None] == segments[row][None, :]
    for layer in range(2):
      q = jax.tree.map(lambda v, i=layer: v[i], p["transformer"]["layers"])
      heads = []
      for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        query, key, value = (
          linear(x, q["attention"][name])[:, part]
          for name in ("query", "key", "value")
        )
        scores = np.where(may, query @ key.T / 2.0, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        heads.append(weights / weights.sum(-1, keepdims=True) @ value)
      attended = linear(np.concatenate(heads, -1), q["attention"]["out"])
      x = norm(x + attended, q["attention_norm"])
      x = norm(
        x + linear(gelu(linear(x, q["mlp_in"])), q["mlp_out"]), q["mlp_norm"]
      )
    h = norm(
      gelu(linear(x[at[row]], p["head"]["transform"])), p["head"]["norm"]
    )
    logits.append(h @ p["word"]["embedding"].T + p["head"]["bias"])
  return np.array(logits)


def test_forward_equals_numpy(params):
  _, apply = make()
  at = np.array([[0, 4, 7], [11, 2, 2]])
  got = apply(params, *inputs(), at)
  assert got.dtype == jnp.float32
  np.testing.assert_allclose(
    got, numpy_forward(params, *inputs(), at), rtol=2e-5, atol=2e-5
  )


def test_documents_of_a_row_do_not_see_each_other(params):
  _, apply = make()
  tokens, segments, positions = inputs()
  hidden = apply(params, tokens, segments, positions, method="encode")
  changed = tokens.copy()
  changed[0, 5:9] += 1
  changed = apply(params, changed % 30, segments, positions, method="encode")
  np.testing.assert_array_equal(hidden[0, :5], changed[0, :5])
  assert (hidden[0, 5:9] != changed[0, 5:9]).any()
  # The second document gives what it gives in a row of its own.
  alone = [np.zeros((1, 12), np.int32) for _ in range(3)]
  for to, source in zip(alone, (tokens, np.ones_like(segments), positions)):
    to[0, :4] = source[0, 5:9]
  alone = apply(params, *alone, method="encode")
  np.testing.assert_allclose(alone[0, :4], hidden[0, 5:9], rtol=1e-5, atol=1e-5)


def test_loop_and_straight_line_code_are_the_same_function(params):
  at = np.zeros((2, 1), np.int32)
  straight = make(unroll=True)[1](params, *inputs(), at)
  loop = make(unroll=False)[1](params, *inputs(), at)
  np.testing.assert_allclose(loop, straight, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("unroll", [True, False])
def test_remat_computes_layers_again_and_the_same_gradient(params, unroll):
  at = np.zeros((2, 1), np.int32)

  def gradient_and_remats(remat, saves="nothing"):
    _, apply = make(
      unroll=unroll, remat=remat, remat_saves=saves, dropout_rate=0.5
    )

    def loss(params):
      return apply(params, *inputs(), at, jax.random.key(0)).sum()

    compiled = jax.jit(jax.grad(loss)).lower(params).compile()
    again = str(jax.make_jaxpr(jax.grad(loss))(params)).count("remat")
    return compiled(params), again

  plain, never = gradient_and_remats(False)
  for saves in ("nothing", "products"):
    again, times = gradient_and_remats(True, saves)
    assert (never, times > 0) == (0, True)
    jax.tree.map(
      lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5),
      again,
      plain,
    )


def test_what_remat_saves_is_not_multiplied_again(params):
  at = np.zeros((2, 1), np.int32)

  def flops(**changes):
    _, apply = make(unroll=False, **changes)
    return count_flops(
      jax.grad(lambda params: apply(params, *inputs(), at).sum()), params
    )

  plain = flops()
  nothing, products = (
    flops(remat=True, remat_saves=saves) for saves in ("nothing", "products")
  )
  # Of two layers, 12 positions: attention's two products of activations.
  attention = 2 * (2 * 2 * 2 * 12 * 12 * 8)
  assert products - plain == attention
  assert nothing - plain > 4 * attention


def test_a_row_has_the_dropout_of_its_own_key(params):
  _, apply = make(dropout_rate=0.5)
  at = np.zeros((2, 1), np.int32)
  keys = jax.random.split(jax.random.key(0), 2)
  both = apply(params, *inputs(), at, keys)
  for row in (0, 1):
    alone = [x[row : row + 1] for x in (*inputs(), at)]
    got = apply(params, *alone, keys[row : row + 1])
    np.testing.assert_allclose(got[0], both[row], rtol=1e-5, atol=1e-5)


def test_bfloat16_computes_near_float32_with_float32_params(params):
  init, apply = make(dtype=jnp.bfloat16)
  assert {x.dtype for x in jax.tree.leaves(init(jax.random.key(0)))} == {
    jnp.dtype(jnp.float32)
  }
  at = np.array([[0, 4, 7], [11, 2, 2]])
  got = apply(params, *inputs(), at)
  assert got.dtype == jnp.float32
  full = make()[1](params, *inputs(), at)
  assert apply(params, *inputs(), method="encode").dtype == jnp.bfloat16
  np.testing.assert_allclose(got, full, atol=0.15 * np.abs(full).max())
  assert np.abs(got - full).max() > 0


def test_dropout_needs_a_key(params):
  _, apply = make(dropout_rate=0.5)
  at = np.zeros((2, 1), np.int32)
  calm = apply(params, *inputs(), at)
  np.testing.assert_array_equal(calm, make()[1](params, *inputs(), at))
  one = apply(params, *inputs(), at, jax.random.key(0))
  same = apply(params, *inputs(), at, jax.random.key(0))
  two = apply(params, *inputs(), at, jax.random.key(1))
  np.testing.assert_array_equal(one, same)
  assert (one != two).any()
  assert (one != calm).any()


def test_base_has_the_public_number_of_parameters():
  # BERT-base uncased with its masked-language head, without the pooler.
  num_layers, width, num_heads = bert.SIZES["base"]
  options = bert.BertOptions(
    30522, 512, TransformerOptions(num_layers, width, num_heads, 4 * width)
  )
  init, _ = functional(lambda rngs: bert.Bert(options, rngs))
  shapes = jax.eval_shape(init, jax.random.key(0))
  count = sum(math.prod(x.shape) for x in jax.tree.leaves(shapes))
  assert count == 109_514_298
