"""The train step: one forward pass, one adversary, one backward pass."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import optax

from taskrobust_jax import minimax
from taskrobust_jax.tasks.suite import TaskSuite
from taskrobust_jax.train.optimizer import (
  num_non_finite_in_a_row,
  num_skipped_updates,
)
from taskrobust_jax.train.state import TrainState, stream
from taskrobust_jax.train.task_gradients import vjp_and_norms


class StepMetrics(NamedTuple):
  """What a step tells; it stays on the device until someone asks.

  Attributes:
    losses: [K] f32; meaningless where `counts` is 0.
    task_weights: [K] f32, the coefficients that made the gradients.
    counts: [K] f32, targets of each task.
    signal_range: Scalar f32, the largest spread over present tasks of what the
      adversary was shown, so far.
    skipped_updates: Scalar int32, how many so far for a gradient that was not
      finite, or a spike.
    non_finite_in_a_row: Scalar int32, how many gradients were not finite, this
      one and those right before it.
    mean_task_weights: [K] f32, the mean of the weights over the steps so far,
      for a strategy whose outcome it is and in a run with averages; else ().
  """

  losses: jax.Array
  task_weights: jax.Array
  counts: jax.Array
  signal_range: jax.Array
  skipped_updates: jax.Array
  non_finite_in_a_row: jax.Array
  mean_task_weights: jax.Array | tuple[()]


def make_train_step(
  suite: TaskSuite,
  tx: optax.GradientTransformationExtraArgs,
  held_out_losses: Callable[..., jax.Array] | None = None,
  *,
  needs: Sequence[str] = (),
  average_decay: float = 0.0,
  accumulated_vjp: Callable[..., Any] | None = None,
) -> Callable[..., tuple[TrainState, StepMetrics]]:
  """The step as a pure function, to be compiled by `sharding.pjit_train_step`.

  Args:
    suite: The tasks.
    tx: A chain whose first link is `minimax.ascend` (see `optimizer.py`).
    held_out_losses: (params, held-out rows, seed) -> [K], for an adversary that
      is shown those; it decides at which steps it looks.
    needs: Those of the strategy. "gradient_norms" costs K times the memory of
      the gradients.
    average_decay: Of the means, see `Averages`; unused in a run without.
    accumulated_vjp: From `accumulation.make_accumulated_vjp`, for a batch in
      microbatches.

  Returns:
    `train_step(state, batch, held_out=None) -> (state, metrics)`; `batch` is
    the global one, `held_out` the rows for `held_out_losses`.
  """

  def train_step(state: TrainState, batch: Any, held_out: Any = None):
    rng = jax.random.fold_in(stream("train", state.seed), state.step)
    before = minimax.find_state(state.opt_state).weighting.task_weights
    # For a suite whose rows follow the weights.
    more = (before,) if getattr(suite, "uses_task_weights", False) else ()

    def per_task_losses(params):
      return suite.per_task_losses(params, batch, rng, *more)

    gradient_norms = None
    if accumulated_vjp is not None:
      losses, pull_back, counts = accumulated_vjp(
        state.params, batch, rng, before
      )
    elif "gradient_norms" in needs:
      losses, pull_back, counts, gradient_norms = vjp_and_norms(
        suite, state.params, batch, rng, *more
      )
    else:
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
      held_out_losses=lambda: held_out_losses(
        state.params, held_out, state.seed
      ),
      gradient_norms=gradient_norms,
    )  # one backward, whatever K is
    params = optax.apply_updates(state.params, updates)
    task_weights = minimax.task_weights(opt_state)
    averages = state.averages
    if averages:
      averages = averages.update(
        params, task_weights, state.step, average_decay
      )

    metrics = StepMetrics(
      losses,
      task_weights,
      counts,
      minimax.find_state(opt_state).weighting.signal_range,
      num_skipped_updates(opt_state),
      num_non_finite_in_a_row(opt_state),
      _mean_task_weights(opt_state, averages),
    )
    after = state._replace(
      step=state.step + 1,
      params=params,
      opt_state=opt_state,
      averages=averages,
    )
    return after, metrics

  return train_step


def _mean_task_weights(opt_state, averages):
  if minimax.has_mean_task_weights(opt_state):
    return minimax.mean_task_weights(opt_state)
  return averages.task_weights if averages else ()
