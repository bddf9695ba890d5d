"""Arithmetic, against counting by hand and against XLA."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.planning.flops import count_flops
from taskrobust_jax.train import build
from tests.train import toy


def shape(*sizes):
  return jax.ShapeDtypeStruct(sizes, jnp.float32)


def test_a_product_is_two_operations_for_each_pair():
  assert count_flops(lambda a, b: a @ b, shape(3, 5), shape(5, 7)) == 210
  batched = lambda a, b: jnp.einsum("bmk,bkn->bmn", a, b)
  assert count_flops(batched, shape(2, 3, 5), shape(2, 5, 7)) == 420
  # The gradients of both sides are two more products.
  loss = lambda a, b: jnp.tanh(a @ b).sum()
  gradient = jax.grad(loss, argnums=(0, 1))
  assert count_flops(gradient, shape(3, 5), shape(5, 7)) == 3 * 210
  # What nobody asks for is not computed.
  linear = jax.grad(lambda a, b: (a @ b).sum())
  assert count_flops(linear, shape(3, 5), shape(5, 7)) == 210


def test_a_loop_counts_as_often_as_it_runs_and_remat_again():
  def layers(stacked, x):
    body = jax.checkpoint(lambda x, w: jnp.tanh(x @ w))
    return jax.lax.scan(lambda x, w: (body(x, w), None), x, stacked)[0].sum()

  arguments = shape(6, 4, 4), shape(3, 4)
  once = 2 * 3 * 4 * 4
  assert count_flops(layers, *arguments) == 6 * once
  assert count_flops(jax.jit(jax.grad(layers)), *arguments) == 6 * 4 * once


def test_branches_and_loops_without_an_end():
  twice = lambda x: x @ x @ x
  either = lambda x: jax.lax.cond(x[0, 0] > 0, twice, lambda x: x @ x, x)
  assert count_flops(either, shape(4, 4)) == 2 * 2 * 4**3
  endless = lambda x: jax.lax.while_loop(
    lambda x: x[0, 0] > 0, lambda x: x @ x, x
  )
  with pytest.raises(ValueError, match="unknown length"):
    count_flops(endless, shape(4, 4))


def test_a_convolution_counts_as_xla_counts_it():
  function = lambda x, w: jax.lax.conv(x, w, (1, 1), "VALID")
  arguments = shape(2, 3, 8, 8), shape(5, 3, 3, 3)
  xla = jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"]
  assert count_flops(function, *arguments) == pytest.approx(xla, rel=0.01)


def test_a_whole_step_is_nearly_what_xla_counts_without_a_loop():
  """XLA counts norms, softmax and Adam too."""
  config = toy.config(
    model__width=128, model__mlp_width=512, model__num_layers=2
  )
  experiment = build.build(config, toy.Dataset(), devices=jax.devices()[:1])
  arguments = experiment.state_shapes, experiment.load_batch(0)
  # Its own count leaves out nothing before it is optimised.
  xla = experiment.train_step.lower(*arguments).cost_analysis()["flops"]
  own = count_flops(experiment.train_step, *arguments)
  assert 0.85 < own / xla < 1.0
  looped = toy.config(
    model__width=128,
    model__mlp_width=512,
    model__num_layers=2,
    model__unroll=False,
  )
  same = build.build(looped, toy.Dataset(), devices=jax.devices()[:1])
  assert count_flops(same.train_step, *arguments) == own
  params = sum(
    np.prod(x.shape) for x in jax.tree.leaves(experiment.state_shapes.params)
  )
  # 6 operations a param and token, of those that stand in products.
  assert own < 6 * params * 32 * toy.LENGTH
