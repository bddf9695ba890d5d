"""A batch in microbatches: losses and gradients of the whole, in less memory.

Exact for each task: a loss is still the sum over its targets divided by their
count over the whole batch, whichever microbatch they stand in.
"""

from collections.abc import Callable, Sequence
from typing import Any

from einops import rearrange
import jax
import jax.numpy as jnp

from taskrobust_jax import minimax
from taskrobust_jax.errors import InputError
from taskrobust_jax.minimax.weighting import restrict
from taskrobust_jax.tasks.suite import Part, TaskSuite
from taskrobust_jax.train.checks import check_count


def make_accumulated_vjp(
  suite: TaskSuite,
  num_parts: int,
  weighting: minimax.TaskWeighting,
  order: str,
) -> Callable[..., Any] | None:
  """Makes what stands in the place of `jax.vjp` in the train step.

  With L_k = sum_m l_mk n_mk / N_k, where n_mk are the counts of microbatch m
  and N_k their sum, the gradient of sum_k q_k L_k is a sum over microbatches of
  pull-backs of q_k n_mk / N_k.

  order "simultaneous": q is known beforehand, and the counts are a function of
    the data alone. One forward and one backward pass, as without microbatches.
  order "alternating": q depends on the losses of the whole batch. A forward
    pass for them, then a forward and a backward pass: 4/3 of the arithmetic.

  Args:
    suite: The tasks, with `takes_parts`.
    num_parts: M, microbatches; 1 for the whole batch.
    weighting: The adversary.
    order: "alternating" or "simultaneous".

  Returns:
    `None` if M is 1, else `vjp(params, batch, rng, before) -> (losses [K] f32,
    pull_back, counts [K] f32)`; `before` [K] are the adversary's weights before
    this batch. `pull_back` takes task weights to (gradients,).

  Raises:
    InputError: If the suite or the strategy cannot do it.
  """
  check_count("compute.accumulation", num_parts)
  if num_parts == 1:
    return None
  if not getattr(suite, "takes_parts", False):
    raise InputError(
      f"compute.accumulation must be 1 for {type(suite).__name__}, which does "
      f"not take parts of a batch (see tasks/suite.py), got {num_parts}"
    )
  if "gradient_norms" in weighting.needs:
    raise InputError(
      "compute.accumulation must be 1 for a strategy that needs "
      f"gradient_norms, got {num_parts}"
    )
  unit = getattr(suite, "batch_multiple", 1)
  # Row i serves task i mod K in every part, and no row moves between devices.
  split = lambda x: rearrange(
    x, "(b m k) ... -> m (b k) ...", m=num_parts, k=unit
  )

  def vjp(params, batch, rng, before):
    num_rows = jax.tree.leaves(batch)[0].shape[0]
    parts = jax.tree.map(split, (batch, jnp.arange(num_rows)))
    more = (before,) if getattr(suite, "uses_task_weights", False) else ()

    def losses_of(params, rows_and_numbers):
      rows, numbers = rows_and_numbers
      return suite.per_task_losses(
        params, rows, rng, *more, part=Part(numbers, num_rows)
      )

    if order == "simultaneous":
      return _known_weights(losses_of, params, parts, before, weighting.simplex)
    return _unknown_weights(losses_of, params, parts)

  return vjp


def _unknown_weights(losses_of, params, parts):
  """Order "alternating": the losses first."""

  def evaluate(part):
    losses, counts = losses_of(params, part)
    return _total(losses, counts), counts

  total, counts = _sum_over(evaluate, parts)

  def pull_back(task_weights):
    share = task_weights / jnp.maximum(counts, 1.0)
    _, gradients = _sum_over(_differentiate(losses_of, params, share), parts)
    return (gradients,)

  return total / jnp.maximum(counts, 1.0), pull_back, counts


def _known_weights(losses_of, params, parts, before, is_simplex):
  """Order "simultaneous": losses and gradients in one pass."""
  # The compiler leaves out what counts do not depend on: the model.
  counts = _sum_over(lambda part: losses_of(params, part)[1], parts)
  share = restrict(before, counts > 0, is_simplex) / jnp.maximum(counts, 1.0)
  total, gradients = _sum_over(_differentiate(losses_of, params, share), parts)
  losses = total / jnp.maximum(counts, 1.0)
  # The adversary would have left out the task of such a loss. No such gradient
  # is applied, so that it need not be computed.
  is_finite = jnp.isfinite(jnp.where(counts > 0, losses, 0.0)).all()

  def pull_back(task_weights):
    del task_weights  # They are those above.
    return (
      jax.tree.map(lambda x: jnp.where(is_finite, x, jnp.nan), gradients),
    )

  return losses, pull_back, counts


def _differentiate(losses_of, params, share):
  """part -> (sums of losses [K], their gradient); `share` [K] is q_k / N_k."""

  def function(part):
    losses, pull_back, counts = jax.vjp(
      lambda params: losses_of(params, part), params, has_aux=True
    )
    (gradient,) = pull_back((share * counts).astype(losses.dtype))
    return _total(losses, counts), gradient

  return function


def _total(losses, counts):
  return jnp.where(counts > 0, losses * counts, 0.0)


def _sum_over(function: Callable[[Any], Any], parts: Sequence[Any]) -> Any:
  """The sum of a function's trees over the parts, one after the other."""

  def add(total, part):
    return jax.tree.map(jnp.add, total, function(part)), None

  first = jax.tree.map(lambda x: x[0], parts)
  zeros = jax.tree.map(
    lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(function, first)
  )
  return jax.lax.scan(add, zeros, parts)[0]
