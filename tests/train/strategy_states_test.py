"""The state of every strategy goes through a checkpoint and on as before."""

import jax
import jax.numpy as jnp
import numpy as np

from taskrobust_jax.storage.checkpoint import Checkpointer
from taskrobust_jax.train.state import TrainState
from tests.minimax.cases import CASES, LOSSES, jitted_update, weighting_of
from tests.train.toy import assert_same_bits

CASE_NAMES = sorted(CASES)


def after(states, num_steps, first=0):
  """The states and coefficients of all cases after some updates."""
  told = {}
  for case in CASE_NAMES:
    for step in range(first, first + num_steps):
      present = (1, 1, step % 3 > 0, 1)
      losses = LOSSES * (1 + 0.1 * np.sin(step + np.arange(4)))
      told[case], states[case] = jitted_update(case)(
        losses, states[case], present
      )
  return states, told


def test_saved_and_restored_states_go_on_bit_by_bit(tmp_path):
  states, _ = after({c: weighting_of(c).init(4) for c in CASE_NAMES}, 5)
  state = TrainState(jnp.int32(5), jnp.uint32(0), {"x": jnp.zeros(2)}, states)
  checkpoints = Checkpointer(tmp_path / "checkpoints", {"of": "all"})
  checkpoints.save(state, {})
  checkpoints.wait()
  shapes = jax.eval_shape(lambda: state)
  one = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  back = checkpoints.restore(shapes, jax.tree.map(lambda _: one, shapes))
  checkpoints.close()
  assert_same_bits(back, state)
  assert_same_bits(
    after(dict(back.opt_state), 5, first=5), after(dict(states), 5, first=5)
  )
