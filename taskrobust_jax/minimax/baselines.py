"""Strategies of multi-task learning that balance tasks and fight no adversary.

They are what a robust strategy is compared with. They are made of the losses
themselves and take no `signal`.
"""

from collections.abc import Sequence

import jax.numpy as jnp

from taskrobust_jax.minimax import ascent, best_responses, learnt, signals
from taskrobust_jax.minimax.arguments import ScalarOrSchedule
from taskrobust_jax.minimax.history import log_over_warmup, loss_rate
from taskrobust_jax.minimax.weighting import (
  LARGEST_SCORE,
  TaskWeighting,
  compose,
)


def smooth_tchebycheff(
  temperature: ScalarOrSchedule = 1.0,
  warmup_steps: int = 1000,
  average_from: int = 0,
) -> TaskWeighting:
  """Smooth Tchebycheff scalarisation (STCH): a smoothed maximum of log losses.

    F = temperature * log sum_k exp(log(L_k / nadir_k) / temperature)
    q = softmax(log(L / nadir) / temperature),   coefficient_k = q_k / L_k

  The one strategy that changes the loss that descends: the coefficients are
  the gradient of F with respect to the raw losses, positive, and no
  distribution. nadir is the mean loss over the warm-up; during it q is uniform:
  the params descend the mean of the log losses. Losses must be positive: at 0
  or below the task counts as absent. A task that was absent from the whole
  warm-up has its first loss as its nadir.

  The authors' code multiplies F and the warm-up's mean by K, and adds 1e-20
  inside of the logs; its warm-up counts epochs and averages over the last one
  (`average_from`).

  Args:
    temperature: > 0, a number or a schedule of `step`.
    warmup_steps: >= 1, how many updates the warm-up takes.
    average_from: In [0, warmup_steps), the first update whose losses enter the
      nadir.

  Returns:
    A `TaskWeighting` with `simplex=False`.

  Raises:
    ValueError: If an argument is outside its range.

  References:
    Lin et al., Smooth Tchebycheff Scalarization for Multi-Objective
    Optimization (ICML 2024).
  """

  def coefficients(answer, signal, losses, state, **extra):
    positive = jnp.where(losses > 0, losses, 1.0)
    return jnp.minimum(answer / positive, LARGEST_SCORE)

  return compose(
    log_over_warmup(warmup_steps, average_from),
    best_responses.softmax(temperature)._replace(coefficients=coefficients),
  )


def dynamic_weight_average(
  temperature: ScalarOrSchedule = 2.0, window: int = 1
) -> TaskWeighting:
  """Dynamic weight average (DWA): more weight where the loss falls slowest.

    q = softmax(r / temperature),   r_k = L_k(last window) / L_k(one before)

  with means over full windows of `window` steps; uniform until two are full.
  The published code has an epoch as its window and multiplies the weights by
  K.

  Args:
    temperature: > 0, a number or a schedule of `step`.
    window: >= 1, in steps. Losses of single batches are noisy: take many.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: If an argument is outside its range.

  References:
    Liu, Johns and Davison, End-to-End Multi-Task Learning with Attention (CVPR
    2019).
  """
  return compose(loss_rate(window), best_responses.softmax(temperature))


def random_weights(seed: int = 0) -> TaskWeighting:
  """Random loss weighting (RLW): new random weights at each step.

    q = softmax(z),   z_k ~ Normal(0, 1)

  Args:
    seed: >= 0.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: If `seed` is not a whole number >= 0.

  References:
    Lin et al., Reasonable Effectiveness of Random Weighting (TMLR 2022).
  """
  return compose(signals.raw(), ascent.random(seed))


def uncertainty(
  form: str = "kendall",
  learning_rate: ScalarOrSchedule = 1e-3,
  optimizer: str = "adam",
  weight_decay: float = 0.0,
) -> TaskWeighting:
  """Homoscedastic uncertainty: weights by learnt log-variances s.

    "kendall":   sum_k  L_k / (2 exp(s_k)) + s_k / 2,   s = -1/2 at the start
    "multimae":  sum_k  exp(-s_k) L_k + s_k,            s = 0 at the start

  The params and s descend the same function, from the same s: the coefficients
  are 1 / (2 exp(s_k)) or exp(-s_k) from before s moves (with
  `ascend(order="alternating")`). They are positive and no distribution. The
  gradient in s needs the losses alone. s stays within -80 and 80.

  The published codes give s to the model's own optimizer; here s has one of its
  own, and a task that is absent keeps its s.

  Args:
    form: "kendall" or "multimae".
    learning_rate: >= 0, of s; a number or a schedule of `step`. Our choice.
    optimizer: "adam" (betas .9, .999) or "sgd".
    weight_decay: >= 0, times s, added to its gradient.

  Returns:
    A `TaskWeighting` with `simplex=False`.

  Raises:
    ValueError: If an argument is outside its range.

  References:
    Kendall, Gal and Cipolla, Multi-Task Learning Using Uncertainty to Weigh
    Losses (CVPR 2018). Bachmann et al., MultiMAE (ECCV 2022), their code.
  """
  return compose(
    signals.raw(),
    learnt.uncertainty(form, learning_rate, optimizer, weight_decay),
  )


def famo(
  step_size: ScalarOrSchedule = 0.025,
  weight_decay: float = 1e-3,
  min_losses: float | Sequence[float] = 0.0,
) -> TaskWeighting:
  """FAMO: tasks improve at the same relative rate.

    z = softmax(w),  D = max(L - min_losses, 0) + 1e-8
    q_k = (z_k / D_k) / sum_j (z_j / D_j)
    w descends by Adam along  J^T (log D_prev - log D_now),  J = dz / dw

  The authors compute the losses of the *same* batch again after the params'
  step, which costs a forward pass. Offer them as the extra input `next_losses`
  [K] (at step t: the losses of batch t-1 under the present params) and this is
  their method. By default D_now is the next batch's own losses, at no cost:
  the difference then has the noise of two batches in it. A task that was
  absent in between is compared with its last losses; while it is absent its w
  stays where it is.

  They clip the norm of the params' gradient at 1, which is left to the
  optimizer, and have no max(., 0): below min_losses their log is NaN.

  Args:
    step_size: >= 0, the learning rate of w; a number or a schedule of `step`.
    weight_decay: >= 0, times w, added to its gradient.
    min_losses: Scalar or [K], finite. The least loss that can be reached.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: If an argument is outside its range.

  References:
    Liu et al., FAMO: Fast Adaptive Multitask Optimization (NeurIPS 2023),
    Algorithm 1, and their code.
  """
  return compose(
    signals.raw(), learnt.famo(step_size, weight_decay, min_losses)
  )


def gradnorm(
  alpha: float = 1.5,
  learning_rate: ScalarOrSchedule = 0.025,
  optimizer: str = "adam",
  form: str = "direct",
  warmup_steps: int = 0,
) -> TaskWeighting:
  """GradNorm: tasks train at the same pace, by the norms of their gradients.

    r_k = (L_k / L_k(0)) / mean_j (L_j / L_j(0))
    w descends  sum_k |w_k G_k - mean_j(w_j G_j) r_k^alpha|,  second term fixed
    w <- K w / sum_j w_j,   q = w / K

  G_k is the norm of the gradient of L_k with respect to the shared params. The
  coefficients are those from before w moves, as in the published codes (with
  `ascend(order="alternating")`). Those multiply the losses by w, which sums to
  K.

  Args:
    alpha: >= 0, how strongly tasks that lag behind are favoured.
    learning_rate: >= 0, of w; a number or a schedule of `step`. Our choice.
    optimizer: "adam" (betas .9, .999) or "sgd".
    form: "direct", as in the paper (w stays at 1e-6 or more), or "softmax":
      w = K softmax(v) and v descends, as in LibMTL.
    warmup_steps: >= 0. Updates with equal weights, over which L(0) is the mean;
      0 takes the first loss. LibMTL has an epoch.

  Returns:
    A `TaskWeighting` that needs `gradient_norms` [K]. A task whose norm is not
    finite keeps its w in that step.

  Raises:
    ValueError: If an argument is outside its range.

  References:
    Chen et al., GradNorm (ICML 2018), Algorithm 1.
  """
  return compose(
    signals.raw(),
    learnt.gradnorm(alpha, learning_rate, optimizer, form, warmup_steps),
  )
