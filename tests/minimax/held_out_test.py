"""The signal of held-out losses, and the range of what is shown."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax import minimax

BATCH = jnp.array([9.0, 1.0])


def shown_at(steps, weighting, held_out=lambda step: [step, 0.0]):
  """What softmax weights say of the signal at each step: s_0 - s_1."""
  state = weighting.init(2)
  differences = []
  for step in steps:
    looked = jnp.array(held_out(step), jnp.float32)
    weights, state = weighting.update(
      BATCH, state, step=step, held_out_losses=lambda looked=looked: looked
    )
    differences.append(float(jnp.log(weights[0]) - jnp.log(weights[1])))
  return differences, state


def test_held_out_losses_are_shown_and_looked_at_now_and_then():
  weighting = minimax.make(
    "softmax_weighted", signal="held_out", held_out_every=3
  )
  assert set(weighting.needs) == {"step", "held_out_losses"}
  got, _ = shown_at(range(7), weighting)
  np.testing.assert_allclose(got, [0, 0, 0, 3, 3, 3, 6], atol=1e-5)


def test_a_run_that_goes_on_is_shown_the_same():
  weighting = minimax.make(
    "softmax_weighted", signal="held_out", held_out_every=3
  )
  _, state = shown_at(range(5), weighting)
  weights, _ = weighting.update(
    BATCH, state, step=5, held_out_losses=jnp.array([50.0, 0.0])
  )
  np.testing.assert_allclose(jnp.log(weights[0] / weights[1]), 3, atol=1e-5)


def test_it_is_computed_only_when_it_is_looked_at():
  calls = []

  def losses(step):
    def look():
      jax.debug.callback(lambda x: calls.append(int(x)), step)
      return jnp.array([1.0, 2.0])

    return look

  weighting = minimax.make("mirror_ascent", signal="held_out", held_out_every=4)

  @jax.jit
  def update(state, step):
    return weighting.update(
      BATCH, state, step=step, held_out_losses=losses(step)
    )[1]

  state = weighting.init(2)
  for step in range(10):
    state = update(state, step)
  jax.effects_barrier()
  assert sorted(calls) == [0, 4, 8]


def test_it_goes_first_in_a_chain():
  weighting = minimax.make(
    "softmax_weighted",
    signal="held_out+excess_over",
    held_out_every=1,
    reference_losses=(1.0, -1.0),
  )
  got, _ = shown_at([0, 4], weighting)
  np.testing.assert_allclose(got, [-2, 2], atol=1e-5)


def test_a_task_without_held_out_targets_counts_as_absent():
  weighting = minimax.make("mirror_ascent", signal="held_out", held_out_every=1)
  _, state = shown_at([0], weighting, lambda step: [np.nan, 1.0])
  np.testing.assert_array_equal(state.num_nonfinite, [1, 0])
  np.testing.assert_allclose(state.task_weights, 0.5)


@pytest.mark.parametrize("every", [0, -1, 1.5])
def test_a_wrong_period_is_named(every):
  with pytest.raises(ValueError, match="held_out_every must be a whole"):
    minimax.make("mirror_ascent", signal="held_out", held_out_every=every)


def test_the_range_of_the_signal_is_the_largest_spread_so_far():
  weighting = minimax.mirror_ascent(0.1)
  state = weighting.init(3)
  present = jnp.array([True, True, False])
  ranges = []
  for losses, is_present in (
    ([1.0, 2.0, 9.0], present),
    ([5.0, 5.5, 0.0], present),
    ([1.0, 4.0, 2.0], None),
    ([jnp.nan, 7.0, 1.0], None),
    ([7.0, 7.0, 7.0], jnp.zeros(3, bool)),
  ):
    _, state = weighting.update(jnp.array(losses), state, is_present)
    ranges.append(float(state.signal_range))
  assert ranges == [1.0, 1.0, 3.0, 6.0, 6.0]
