"""The train step: one forward pass, one adversary, one backward pass."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

from taskrobust_jax import minimax
from taskrobust_jax.tasks.suite import TaskSuite
from taskrobust_jax.train.optimizer import num_skipped_updates
from taskrobust_jax.train.state import TrainState, stream


class StepMetrics(NamedTuple):
  """What a step tells; it stays on the device until someone asks.

  Attributes:
    losses: [K] f32; meaningless where `counts` is 0.
    task_weights: [K] f32, the coefficients that made the gradients.
    counts: [K] f32, targets of each task.
    skipped_updates: Scalar int32, how many so far for a gradient that was not
      finite.
  """

  losses: jax.Array
  task_weights: jax.Array
  counts: jax.Array
  skipped_updates: jax.Array


def make_train_step(
  suite: TaskSuite, tx: optax.GradientTransformationExtraArgs, seed: int
) -> Callable[[TrainState, Any], tuple[TrainState, StepMetrics]]:
  """The step as a pure function, to be compiled by `sharding.pjit_train_step`.

  Args:
    suite: The tasks.
    tx: A chain whose first link is `minimax.ascend` (see `optimizer.py`).
    seed: Of the run.

  Returns:
    `train_step(state, batch) -> (state, metrics)`; `batch` is the global one.
  """

  def train_step(state: TrainState, batch: Any):
    rng = jax.random.fold_in(stream("train", seed), state.step)

    def per_task_losses(params):
      return suite.per_task_losses(params, batch, rng)

    losses, pull_back, counts = jax.vjp(
      per_task_losses, state.params, has_aux=True
    )  # [K], one vmapped forward
    updates, opt_state = tx.update(
      pull_back,
      state.opt_state,
      state.params,
      task_losses=losses,
      is_present=counts > 0,
      step=state.step,
    )  # one backward, whatever K is
    params = optax.apply_updates(state.params, updates)

    metrics = StepMetrics(
      losses,
      minimax.task_weights(opt_state),
      counts,
      num_skipped_updates(opt_state),
    )
    return TrainState(state.step + 1, params, opt_state), metrics

  return train_step
