"""Task-robust strategies: an adversary weighs the tasks by what it is shown.

Each is a signal and an ascent composed. `signal` is what the adversary is
shown, the raw losses unless given. The registry is in `registry.py`, strategies
of multi-task learning that are no adversaries in `baselines.py`.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from taskrobust_jax.minimax import ascent, best_responses, signals
from taskrobust_jax.minimax.arguments import ScalarOrSchedule
from taskrobust_jax.minimax.references import clipped_excess
from taskrobust_jax.minimax.weighting import (
  Signal,
  TaskWeighting,
  WeightingState,
  compose,
)


def uniform() -> TaskWeighting:
  """Plain averaging: q_k = 1 / K."""
  return compose(signals.raw(), ascent.fixed(1.0))


def fixed(weights: Sequence[float]) -> TaskWeighting:
  """Hand-tuned constant weights.

  Args:
    weights: [K], >= 0, not all 0; scaled to sum to 1.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: See `ascent.fixed`.
  """
  return compose(signals.raw(), ascent.fixed(weights))


def mirror_ascent(
  step_size: ScalarOrSchedule = 0.01,
  smoothing: float = 0.0,
  signal: Signal | None = None,
) -> TaskWeighting:
  """Minimax by entropic mirror ascent on the task weights.

    log q <- log q + step_size * signal;  normalise;
    q <- (1 - smoothing) q + smoothing / K

  Args:
    step_size: >= 0, a number or a schedule of `step`.
    smoothing: In [0, 1), the share of uniform weights mixed in.
    signal: What the adversary is shown; the raw losses if `None`.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: If an argument is outside its range.

  References:
    Wang et al., Task-Robust Pre-Training for Worst-Case Downstream Adaptation
    (NeurIPS 2023), the minimax objective. The step size is our choice: the
    paper's could not be read.
  """
  return compose(signal or signals.raw(), ascent.mirror(step_size, smoothing))


def optimistic_mirror_ascent(
  step_size: ScalarOrSchedule = 0.01,
  smoothing: float = 0.0,
  signal: Signal | None = None,
) -> TaskWeighting:
  """Mirror ascent on where the losses are going.

    log q <- log q + step_size * (2 signal_t - signal_{t-1});  normalise;
    q <- (1 - smoothing) q + smoothing / K

  and signal_t alone where the task was absent at t-1. Averaged iterates
  converge like 1 / T on smooth convex-concave problems if both players do so,
  where mirror ascent has 1 / sqrt(T); here the weights alone are optimistic,
  for the params use an optimistic optimizer. The previous signal comes from
  another batch: with noisy losses the variance of the steps is 5 times that of
  mirror ascent.

  Args:
    step_size: >= 0, a number or a schedule of `step`.
    smoothing: In [0, 1), the share of uniform weights mixed in.
    signal: What the adversary is shown; the raw losses if `None`.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: If an argument is outside its range.

  References:
    Rakhlin and Sridharan, Optimization, Learning, and Games with Predictable
    Sequences (NeurIPS 2013).
  """
  return compose(
    signal or signals.raw(),
    ascent.optimistic(ascent.mirror(step_size, smoothing)),
  )


def softmax_weighted(
  temperature: ScalarOrSchedule = 1.0,
  through_softmax: bool = False,
  signal: Signal | None = None,
) -> TaskWeighting:
  """Softmax-weighted gradient descent: descent on a smoothed maximum.

    q = softmax(signal / temperature)

  With `through_softmax=False`, on raw losses, the params descend
  temperature * log sum_k exp(L_k / temperature), which lies between max_k L_k
  and max_k L_k + temperature * log K.

  Args:
    temperature: > 0, a number or a schedule of `step`.
    through_softmax: Whether the gradient also runs through the weights, as in
      an early public experiment of the paper's first author. The coefficients
      then sum to 1 but may be negative (see
      `best_responses.softmax`).
    signal: What the adversary is shown; the raw losses if `None`.

  Returns:
    A `TaskWeighting`; `simplex` is False if `through_softmax`.

  Raises:
    ValueError: If `temperature` is outside its range.

  References:
    Wang et al. (NeurIPS 2023), Algorithm 1, known to us by its name only. The
    temperature is our choice.
  """
  return compose(
    signal or signals.raw(),
    best_responses.softmax(temperature, through_softmax),
  )


def cvar(fraction: float = 0.5, signal: Signal | None = None) -> TaskWeighting:
  """Conditional value at risk: the mean loss of the worst tasks.

    q_k = 1 / (fraction K)  on the floor(fraction K) largest signals,
    the remainder on the next one

  Tasks that tie share the weight of their ranks.

  Args:
    fraction: In (0, 1], of the present tasks.
    signal: What the adversary is shown; the raw losses if `None`.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: If `fraction` is outside its range.

  References:
    Levy et al., Large-Scale Methods for Distributionally Robust Optimization
    (NeurIPS 2020). They choose among examples, here among tasks.
  """
  return compose(signal or signals.raw(), best_responses.cvar(fraction))


def chi_square(
  radius: float = 0.5, signal: Signal | None = None
) -> TaskWeighting:
  """The worst weights within a chi-square ball around the uniform ones.

    q proportional to (signal - eta)_+   with  1/2 mean_k (K q_k - 1)^2 = radius

  and all on the largest if K <= 1 + 2 radius.

  Args:
    radius: >= 0. 0 gives uniform weights, (K - 1) / 2 all on the largest.
    signal: What the adversary is shown; the raw losses if `None`.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: If `radius` is outside its range.

  References:
    Levy et al. (NeurIPS 2020); how it is solved, and where it
    differs from their code: `best_responses.chi_square`.
  """
  return compose(signal or signals.raw(), best_responses.chi_square(radius))


def chi_square_penalised(
  penalty: float = 1.0, signal: Signal | None = None
) -> TaskWeighting:
  """The worst weights, less a chi-square price for leaving the uniform ones.

    argmax_q  q . signal - penalty * 1/2 mean_k (K q_k - 1)^2

  Args:
    penalty: > 0, in the unit of the signal.
    signal: What the adversary is shown; the raw losses if `None`.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: If `penalty` is outside its range.

  References:
    Levy et al. (NeurIPS 2020).
  """
  return compose(
    signal or signals.raw(), best_responses.chi_square_penalised(penalty)
  )


def group_dro(
  step_size: ScalarOrSchedule = 0.01,
  adjustments: float | Sequence[float] = 0.0,
  normalize: bool = False,
) -> TaskWeighting:
  """Group DRO: mirror ascent on adjusted losses.

    q <- q * exp(step_size * (L + adjustments));  normalise

  Use it with `ascend(order="alternating")`: the params' step uses the new
  weights. Unlike the authors' code, an absent task keeps its weight (theirs
  enters as loss 0), and large or non-finite losses do no harm. Logged losses
  exclude the adjustments.

  Args:
    step_size: >= 0, a number or a schedule of `step`.
    adjustments: A number or [K], >= 0: C / sqrt(n_k).
    normalize: Whether the adjusted losses are divided by their sum.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: If an argument is outside its range.

  References:
    Sagawa et al., Distributionally Robust Neural Networks (ICLR 2020),
    Algorithm 1 and eq. 5.
  """
  return compose(
    signals.adjusted(adjustments, normalize), ascent.mirror(step_size)
  )


def doremi(
  reference_losses: float | Sequence[float] | Sequence[Sequence[float]],
  step_size: ScalarOrSchedule = 1.0,
  smoothing: float = 1e-3,
  reference_steps: Sequence[int] = (),
) -> TaskWeighting:
  """DoReMi: smoothed mirror ascent on the clipped excess over a reference.

    log q <- log q + step_size * max(0, L - reference);  normalise;
    q <- (1 - smoothing) q + smoothing / K

  The outcome of a proxy run is the mean of the weights over its steps:
  `mean_task_weights(state)`. Where a step offers the extra input
  `excess_losses` [K], clipped a token before the mean over tokens, as DoReMi
  has it, that is used instead of L - reference.

  In the authors' code a task that is absent from a batch is scored again with
  its last score, and with log(vocabulary size) before its first; here it keeps
  its weight. In their code the weights also sample the data or divide by the
  sampling weights; here every task has its rows.

  Args:
    reference_losses: Scalar or [K]; [S] or [S, K] with `reference_steps`.
    step_size: >= 0, a number or a schedule of `step`.
    smoothing: In [0, 1), the share of uniform weights mixed in.
    reference_steps: [S], the steps of a reference curve (see
      `signals.excess_over`); () for none.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: If an argument is outside its range.

  References:
    Xie et al., DoReMi: Optimizing Data Mixtures Speeds Up Language Model
    Pretraining (NeurIPS 2023), Algorithm 1.
  """
  return compose(
    clipped_excess(reference_losses, reference_steps),
    ascent.averaged(ascent.mirror(step_size, smoothing)),
  )


def mean_task_weights(state: Any) -> jax.Array:
  """The mean of the weights over all steps so far, the outcome of `doremi`.

    (q_0 + q_1 + ... + q_T) / (T + 1)

  with the uniform q_0 in it, as in the authors' code (their Algorithm 1 leaves
  it out).

  Args:
    state: Of `doremi`, or an optimizer state that holds it.

  Returns:
    [K] f32.

  Raises:
    ValueError: Unless there is exactly one such state.
  """
  found = _averaged(state)
  if len(found) != 1:
    raise ValueError(
      f"the state must hold one averaged weighting, found {len(found)}"
    )
  (node,) = found
  total = node.ascent.total + (
    jnp.exp(node.log_task_weights) - node.ascent.lost
  )
  return total / (node.ascent.num_updates + 1)


def has_mean_task_weights(state: Any) -> bool:
  """Whether `mean_task_weights` has an answer for a state."""
  return len(_averaged(state)) == 1


def _averaged(state: Any) -> list[WeightingState]:
  nodes = jax.tree.leaves(
    state, is_leaf=lambda node: isinstance(node, WeightingState)
  )
  return [
    node
    for node in nodes
    if isinstance(node, WeightingState)
    and isinstance(node.ascent, ascent.AveragedState)
  ]
