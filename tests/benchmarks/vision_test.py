"""The floor of FLOPs."""

import jax
import pytest

from taskrobust_jax.benchmarks import vision


@pytest.mark.parametrize("shares_decoder", [False, True])
def test_the_floor_is_what_the_program_multiplies(shares_decoder):
  config, work = vision.problem(
    *("tiny", 64, 8, 12),
    shares_decoder=shares_decoder,
    encoder={"num_layers": 2},
  )

  def loss(params):
    rng = jax.random.key(0)
    return work.suite.per_task_losses(params, work.batch, rng)[0].sum()

  shapes = jax.eval_shape(work.init_params, jax.random.key(0))
  cost = jax.jit(jax.grad(loss)).lower(shapes).cost_analysis()
  # Besides products there are norms, softmax, targets.
  share = cost["flops"] / (8 * vision.floor(config, work.suite))
  assert 1 < share < 1.1
