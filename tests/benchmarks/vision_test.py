"""The floor of FLOPs."""

import jax
import pytest

from taskrobust_jax.benchmarks import vision


@pytest.mark.parametrize("shares_decoder", [False, True])
def test_the_floor_is_what_the_program_multiplies(shares_decoder):
  config, init, suite, batch = vision.problem(
    *("tiny", 64, 2, 12),
    shares_decoder=shares_decoder,
    encoder={"num_layers": 2},
  )

  def loss(params):
    return suite.per_task_losses(params, batch, jax.random.key(0))[0].sum()

  shapes = jax.eval_shape(init, jax.random.key(0))
  cost = jax.jit(jax.grad(loss)).lower(shapes).cost_analysis()
  # Besides products there are norms, softmax, targets.
  share = cost["flops"] / (2 * vision.floor(config, suite))
  assert 1 < share < 1.1
