"""What strategies are given: numbers, schedules, arrays, extra inputs.

Arguments are checked when a strategy is made, and named when they are wrong.
"""

from collections.abc import Callable
import difflib
import inspect
import math
from typing import Any

import jax
import jax.numpy as jnp

ScalarOrSchedule = float | Callable[[jax.Array], jax.Array]


def at_step(value: ScalarOrSchedule, extra: dict[str, Any]) -> Any:
  """The value of a constant, or of a schedule at `extra["step"]`."""
  return value(extra["step"]) if callable(value) else value


def needs_step(value: ScalarOrSchedule) -> tuple[str, ...]:
  """The extra inputs that `at_step` will ask for."""
  return ("step",) if callable(value) else ()


def input_per_task(name: str, num_tasks: int, extra: dict[str, Any]) -> Any:
  """The extra input `name` as [K] f32, `None` if it was not given.

  Raises:
    ValueError: Unless it has one entry a task.
  """
  value = extra.get(name)
  if value is None:
    return None
  value = jax.lax.stop_gradient(jnp.asarray(value, jnp.float32))
  if value.shape != (num_tasks,):
    raise ValueError(
      f"{name} must have shape ({num_tasks},) (one entry a task), got "
      f"{value.shape}"
    )
  return value


def constant_per_task(
  name: str, values: Any, low: float = -math.inf, *, open_low: bool = False
) -> jax.Array:
  """A number or one a task, as float32 of shape () or [K].

  Raises:
    ValueError: Unless every entry is finite and above `low` (or equal to it,
      if not `open_low`).
  """
  given = values
  try:
    values = jnp.asarray(values, jnp.float32)
  except (TypeError, ValueError):
    values = jnp.zeros(0)
  if values.ndim > 1 or not values.size:
    raise ValueError(f"{name} must be a number or one a task, got {given!r}")
  above = values > low if open_low else values >= low
  if not bool(jnp.all(above & jnp.isfinite(values))):
    legal = "finite"
    if low > -math.inf:
      legal = f"in {'(' if open_low else '['}{low}, inf)"
    raise ValueError(f"{name} must be {legal}, got {values}")
  return values


def check_per_task(name: str, values: jax.Array, num_tasks: int) -> None:
  """Raises ValueError unless `values` is a scalar or has one entry a task."""
  if values.ndim and values.shape != (num_tasks,):
    raise ValueError(
      f"{name} must be a number or have one entry for each of {num_tasks} "
      f"tasks, got shape {values.shape}"
    )


def check_count(name: str, value: Any, least: int) -> None:
  """Raises ValueError unless `value` is a whole number, `least` or more."""
  is_whole = hasattr(value, "__index__") and not isinstance(value, bool)
  if not is_whole or value < least:
    raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")


def check_choice(name: str, value: Any, legal: tuple[str, ...]) -> None:
  """Raises ValueError unless `value` is one of `legal`."""
  if value not in legal:
    raise ValueError(f"{name} must be one of {legal}, got {value!r}")


def check_range(
  name: str,
  value: ScalarOrSchedule,
  low: float,
  high: float = math.inf,
  *,
  open_low: bool = False,
  open_high: bool = False,
) -> None:
  """Raises ValueError unless a constant lies between `low` and `high`.

  Schedules cannot be checked before they are run, and pass. Infinity is never
  legal.
  """
  if callable(value):
    return
  try:
    number = math.nan if isinstance(value, str) else float(value)
  except (TypeError, ValueError):
    number = math.nan
  above = number > low if open_low else number >= low
  below = number < high if open_high else number <= high
  if not (math.isfinite(number) and above and below):
    right = "inf)" if high == math.inf else f"{high}{')' if open_high else ']'}"
    legal = f"{'(' if open_low else '['}{low}, {right}"
    raise ValueError(f"{name} must be in {legal}, got {value}")


def check_arguments(
  what: str, legal: dict[str, Any], given: dict[str, Any]
) -> None:
  """Raises ValueError for an argument that is unknown or missing."""
  for name in given:
    if name not in legal:
      raise ValueError(
        f"{what} has no argument {name!r}; it takes "
        f"{', '.join(legal) or 'none'}"
      )
  for name, default in legal.items():
    if default is inspect.Parameter.empty and name not in given:
      raise ValueError(f"{what} needs the argument {name!r}")


def check_name(kind: str, name: str, legal: dict[str, Any]) -> None:
  """Raises ValueError, with a guess at what was meant, for an unknown name."""
  if name not in legal:
    close = difflib.get_close_matches(str(name), legal, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    raise ValueError(f"unknown {kind} {name!r}{hint} Legal: {', '.join(legal)}")
