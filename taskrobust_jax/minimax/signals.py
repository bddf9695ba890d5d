"""What the adversary is shown.

Raw losses of different tasks are rarely comparable: the best cross-entropy over
nouns is several nats above the best over function words. A signal shows the
adversary something fairer. It never changes the loss that the params descend.

`SIGNALS` is their registry; in a config a signal is a text, such as "ema" or
"excess_over+ema" (left first), beside the arguments of its parts. Signals made
from constants of the tasks are in `references.py`.
"""

from collections.abc import Callable
import inspect
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from taskrobust_jax.minimax.arguments import (
  check_arguments,
  check_name,
  check_range,
)
from taskrobust_jax.minimax.held_out import held_out
from taskrobust_jax.minimax.references import adjusted, excess_over, log_ratio
from taskrobust_jax.minimax.weighting import Signal

__all__ = [
  "SIGNALS",
  "adjusted",
  "chain",
  "ema",
  "excess_over",
  "held_out",
  "log_ratio",
  "make",
  "raw",
  "relative_to_start",
  "signature",
  "standardised",
]


def raw() -> Signal:
  """The task losses as they are."""
  return Signal(
    init=lambda num_tasks: (),
    update=lambda losses, state, is_present, **extra: (losses, state),
  )


class EmaState(NamedTuple):
  """State of `ema`.

  Attributes:
    mean: [K] f32, the biased running mean.
    weight: [K] f32 in [0, 1], the share of `mean` that was observed.
  """

  mean: jax.Array
  weight: jax.Array


def ema(decay: float) -> Signal:
  """Exponential moving average of each task's loss.

    m_t = decay m_{t-1} + (1 - decay) L_t,   signal = m_t / (1 - decay^n)

  with n the number of steps at which the task was present: steps without the
  task leave its mean alone.

  Args:
    decay: In [0, 1). 0 shows the raw losses.

  Returns:
    A `Signal`.

  Raises:
    ValueError: If `decay` is outside its range.
  """
  check_range("decay", decay, 0, 1, open_high=True)

  def init(num_tasks):
    return EmaState(jnp.zeros(num_tasks), jnp.zeros(num_tasks))

  def update(losses, state, is_present, **extra):
    keep = jnp.where(is_present, decay, 1.0)
    state = EmaState(
      mean=keep * state.mean + (1 - keep) * losses,
      weight=keep * state.weight + (1 - keep),
    )
    return jnp.where(is_present, state.mean / state.weight, 0.0), state

  return Signal(init, update)


def relative_to_start() -> Signal:
  """Each loss divided by the first loss of that task that is not 0.

  signal_k = L_k / L_k(first step at which k was present)
  """

  def init(num_tasks):
    return jnp.full(num_tasks, jnp.nan, jnp.float32)

  def update(losses, start, is_present, **extra):
    start = jnp.where(
      is_present & jnp.isnan(start) & (losses != 0), losses, start
    )
    return jnp.where(is_present, losses / start, 0.0), start

  return Signal(init, update)


class StandardisedState(NamedTuple):
  """State of `standardised`.

  Attributes:
    mean: [K] f32, the running mean.
    deviation: [K] f32, the running standard deviation.
    weight: [K] f32 in [0, 1], the share of both that was observed.
  """

  mean: jax.Array
  deviation: jax.Array
  weight: jax.Array


def standardised(deviation_decay: float) -> Signal:
  """Each loss less its running mean, over its running deviation.

    signal = (L_t - m_t) / d_t

  m_t and d_t^2 are the mean and variance of the task's own losses up to and
  with this one, exponentially weighted with factor `deviation_decay`, unbiased
  as in `ema`. It is 0 where d_t = 0, as at the task's first step. Steps without
  the task change nothing. Lasting differences between tasks vanish: what is
  left is which task does worse than it used to.

  Args:
    deviation_decay: In (0, 1). Not `decay`, so that `ema` can be in one chain.

  Returns:
    A `Signal`.

  Raises:
    ValueError: If `deviation_decay` is outside its range.
  """
  check_range(
    "deviation_decay", deviation_decay, 0, 1, open_low=True, open_high=True
  )

  def init(num_tasks):
    zeros = jnp.zeros(num_tasks)
    return StandardisedState(zeros, zeros, zeros)

  def update(losses, state, is_present, **extra):
    weight = deviation_decay * state.weight + (1 - deviation_decay)
    share = (1 - deviation_decay) / weight  # Of this loss in the mean.
    change = losses - state.mean
    # Not through the variance: squares of large losses leave float32.
    deviation = jnp.sqrt(1 - share) * jnp.hypot(
      state.deviation, jnp.sqrt(share) * change
    )
    new = StandardisedState(state.mean + share * change, deviation, weight)
    is_spread = is_present & (deviation > 0)
    shown = (1 - share) * change / jnp.where(is_spread, deviation, 1.0)
    state = jax.tree.map(
      lambda new, old: jnp.where(is_present, new, old), new, state
    )
    return jnp.where(is_spread, shown, 0.0), state

  return Signal(init, update)


def chain(*parts: Signal) -> Signal:
  """Signals one after the other: each is shown what the one before it shows.

    chain(excess_over(reference), ema(0.9))   # a smoothed excess

  A task whose signal is not finite at one of them is absent to those after it.

  Args:
    *parts: One signal or more, the first to see the losses first.

  Returns:
    A `Signal`.

  Raises:
    ValueError: If no signal is given.
  """
  if not parts:
    raise ValueError("chain needs one signal or more, got none")

  def update(losses, state, is_present, **extra):
    shown, present, states = losses, is_present, []
    for part, part_state in zip(parts, state, strict=True):
      shown, part_state = part.update(shown, part_state, present, **extra)
      present &= jnp.isfinite(shown)
      shown = jnp.where(present, shown, 0.0)
      states.append(part_state)
    return jnp.where(is_present & ~present, jnp.nan, shown), tuple(states)

  return Signal(
    init=lambda num_tasks: tuple(part.init(num_tasks) for part in parts),
    update=update,
    needs=tuple(dict.fromkeys(n for part in parts for n in part.needs)),
    accepts=tuple(dict.fromkeys(n for part in parts for n in part.accepts)),
  )


SIGNALS: dict[str, Callable[..., Signal]] = {
  "raw": raw,
  "ema": ema,
  "relative_to_start": relative_to_start,
  "log_ratio": log_ratio,
  "excess_over": excess_over,
  "standardised": standardised,
  "adjusted": adjusted,
  "held_out": held_out,
}


def make(text: str, **arguments: Any) -> Signal:
  """Makes a signal from its text.

  Args:
    text: A key of `SIGNALS`, or several joined by "+": a chain, left first.
    **arguments: Those of all its parts.

  Returns:
    A `Signal`.

  Raises:
    ValueError: For an unknown name, a name used twice, an argument that is
      unknown or missing, or a value out of range.
  """
  check_arguments(f"signal {text}", signature(text), arguments)
  made = []
  for name in _parts(text):
    own = inspect.signature(SIGNALS[name]).parameters
    made.append(
      SIGNALS[name](**{k: v for k, v in arguments.items() if k in own})
    )
  return made[0] if len(made) == 1 else chain(*made)


def signature(text: str) -> dict[str, Any]:
  """The arguments of a signal's text, with their defaults.

  No two signals have an argument of the same name.

  Args:
    text: See `make`.

  Returns:
    Names and default values; `inspect.Parameter.empty` where one must be given.

  Raises:
    ValueError: For an unknown name, or a name used twice.
  """
  return {
    argument: parameter.default
    for name in _parts(text)
    for argument, parameter in inspect.signature(
      SIGNALS[name]
    ).parameters.items()
  }


def _parts(text):
  if not isinstance(text, str):
    raise ValueError(f"signal must be a text such as 'raw', got {text!r}")
  names = [name.strip() for name in text.split("+")]
  for name in names:
    check_name("signal", name, SIGNALS)
    if names.count(name) > 1:
      raise ValueError(f"signal {text!r} names {name} more than once")
  return names
