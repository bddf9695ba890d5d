"""The named ways to weigh tasks, each a signal and an ascent composed.

    weighting = strategies.make("group_dro", step_size=0.01)

`STRATEGIES` is the one registry; the arguments of a name are those of its
function's signature. `signal` is the same for all adaptive ones: what the
adversary is shown, `signals.raw()` unless given.
"""

from collections.abc import Callable, Sequence
import difflib
import inspect
from typing import Any

from taskrobust_jax.minimax import ascent, signals
from taskrobust_jax.minimax.weighting import (
  ScalarOrSchedule,
  Signal,
  TaskWeighting,
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
      then sum to 1 but may be negative (see `ascent.softmax`).
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
    signal or signals.raw(), ascent.softmax(temperature, through_softmax)
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


STRATEGIES: dict[str, Callable[..., TaskWeighting]] = {
  "uniform": uniform,
  "fixed": fixed,
  "mirror_ascent": mirror_ascent,
  "softmax_weighted": softmax_weighted,
  "group_dro": group_dro,
}


def make(name: str, **arguments: Any) -> TaskWeighting:
  """Makes a strategy by its registered name.

  Args:
    name: A key of `STRATEGIES`.
    **arguments: The strategy's own arguments.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: For an unknown name or argument, or a value out of range.
  """
  legal = signature(name)
  for argument in arguments:
    if argument not in legal and argument != "signal":
      raise ValueError(
        f"strategy {name} has no argument {argument!r}; it takes "
        f"{', '.join(legal) or 'none'}"
      )
  return STRATEGIES[name](**arguments)


def signature(name: str) -> dict[str, Any]:
  """The arguments of a strategy that a config can set, with their defaults.

  Args:
    name: A key of `STRATEGIES`.

  Returns:
    Names and default values; `inspect.Parameter.empty` where one must be given.

  Raises:
    ValueError: For an unknown name.
  """
  if name not in STRATEGIES:
    close = difflib.get_close_matches(name, STRATEGIES, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ValueError(
      f"unknown strategy {name!r}{hint} Legal: {', '.join(STRATEGIES)}"
    )
  parameters = inspect.signature(STRATEGIES[name]).parameters
  return {k: p.default for k, p in parameters.items() if k != "signal"}
