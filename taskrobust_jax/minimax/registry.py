"""The one registry of strategies: by name, from a config, as a table.

    weighting = minimax.make("group_dro", step_size=0.01)
    weighting = minimax.make(
      "mirror_ascent", step_size=0.1,
      signal="excess_over+ema", reference_losses=(2.0, 1.0), decay=0.9)

The arguments of a name are those of its function's signature; if `signal` is
one of them, the arguments of that signal stand beside it.
"""

from collections.abc import Callable
import inspect
from typing import Any, NamedTuple

from taskrobust_jax.minimax import baselines, signals, strategies
from taskrobust_jax.minimax.arguments import check_arguments, check_name
from taskrobust_jax.minimax.weighting import Signal, TaskWeighting


class Strategy(NamedTuple):
  """A strategy and what a table says about it.

  Attributes:
    make: Makes its `TaskWeighting`.
    paper: Where it comes from.
    cost: What a step costs beside one of plain averaging.
    use: When to take it, one line.
  """

  make: Callable[..., TaskWeighting]
  paper: str
  cost: str
  use: str


_FREE = "K scalars"

STRATEGIES: dict[str, Strategy] = {
  "uniform": Strategy(
    strategies.uniform, "-", _FREE, "Plain averaging, the baseline."
  ),
  "fixed": Strategy(
    strategies.fixed, "-", _FREE, "Tuned by hand; belongs in every comparison."
  ),
  "mirror_ascent": Strategy(
    strategies.mirror_ascent,
    "Wang 2023 (NeurIPS)",
    _FREE,
    "The minimax: a small step, smoothing 0.1; a signal where units differ.",
  ),
  "optimistic_mirror_ascent": Strategy(
    strategies.optimistic_mirror_ascent,
    "Rakhlin 2013 (NeurIPS)",
    _FREE,
    "Converges faster where losses have little noise.",
  ),
  "softmax_weighted": Strategy(
    strategies.softmax_weighted,
    "Wang 2023 (NeurIPS)",
    _FREE,
    "A smoothed maximum; no memory, smooth the signal.",
  ),
  "cvar": Strategy(
    strategies.cvar,
    "Levy 2020 (NeurIPS)",
    _FREE,
    "The mean of the worst tasks, many tasks.",
  ),
  "chi_square": Strategy(
    strategies.chi_square,
    "Levy 2020 (NeurIPS)",
    _FREE,
    "Worst weights at a bounded distance from uniform.",
  ),
  "chi_square_penalised": Strategy(
    strategies.chi_square_penalised,
    "Levy 2020 (NeurIPS)",
    _FREE,
    "The same with a price instead of a bound.",
  ),
  "group_dro": Strategy(
    strategies.group_dro,
    "Sagawa 2020 (ICLR)",
    _FREE,
    "Mirror ascent on losses adjusted for group size.",
  ),
  "doremi": Strategy(
    strategies.doremi,
    "Xie 2023 (NeurIPS)",
    _FREE,
    "Weights for a later run: their mean over a small one.",
  ),
  "smooth_tchebycheff": Strategy(
    baselines.smooth_tchebycheff,
    "Lin 2024 (ICML)",
    _FREE,
    "A smoothed maximum of log losses; needs no references.",
  ),
  "dynamic_weight_average": Strategy(
    baselines.dynamic_weight_average,
    "Liu 2019 (CVPR)",
    _FREE,
    "Favours tasks whose loss falls slowly.",
  ),
  "random_weights": Strategy(
    baselines.random_weights,
    "Lin 2022 (TMLR)",
    _FREE,
    "A control: what weighting gives without looking.",
  ),
  "uncertainty": Strategy(
    baselines.uncertainty,
    "Kendall 2018 (CVPR)",
    _FREE,
    "Losses of different units, brought to one scale.",
  ),
  "famo": Strategy(
    baselines.famo,
    "Liu 2023 (NeurIPS)",
    f"{_FREE}; a forward pass for `next_losses`",
    "Equal relative progress.",
  ),
  "gradnorm": Strategy(
    baselines.gradnorm,
    "Chen 2018 (ICML)",
    "a gradient a task, K times the gradient memory",
    "Equal training pace by gradient norms.",
  ),
}


def make(
  name: str, *, signal: str | Signal | None = None, **arguments: Any
) -> TaskWeighting:
  """Makes a strategy by its registered name.

  Args:
    name: A key of `STRATEGIES`.
    signal: What the adversary is shown, for a strategy that takes a `signal`:
      a text (see `signals.make`), a `Signal`, or `None` for the raw losses.
    **arguments: The strategy's own arguments, and those of the signal's text.

  Returns:
    A `TaskWeighting`.

  Raises:
    ValueError: For an unknown name, an argument that is unknown or missing, or
      a value out of range.
  """
  as_text = signal if isinstance(signal, str) else None
  legal = signature(name, as_text)
  if signal is not None and "signal" not in legal:
    raise ValueError(f"strategy {name} has no argument 'signal'")
  legal.pop("signal", None)
  check_arguments(f"strategy {name}", legal, arguments)
  if as_text is None:
    given = {} if signal is None else {"signal": signal}
    return STRATEGIES[name].make(**arguments, **given)
  of_signal = {
    k: arguments.pop(k) for k in signals.signature(as_text) if k in arguments
  }
  return STRATEGIES[name].make(
    **arguments, signal=signals.make(as_text, **of_signal)
  )


def signature(name: str, signal: str | None = None) -> dict[str, Any]:
  """The arguments that a config can set, with their defaults.

  No strategy that takes a signal shares an argument's name with a signal.

  Args:
    name: A key of `STRATEGIES`.
    signal: The text of a signal, for a strategy that takes one; `None` is
      "raw".

  Returns:
    Names and default values; `inspect.Parameter.empty` where one must be given.
    If the strategy takes a signal: `signal`, the text, and the arguments of
    that signal.

  Raises:
    ValueError: For an unknown name, or a signal where none is taken.
  """
  check_name("strategy", name, STRATEGIES)
  parameters = inspect.signature(STRATEGIES[name].make).parameters
  own = {k: p.default for k, p in parameters.items()}
  if "signal" in own:
    text = "raw" if signal is None else signal
    return own | {"signal": text} | signals.signature(text)
  if signal is not None:
    raise ValueError(f"strategy {name} has no argument 'signal'")
  return own


def table() -> str:
  """All strategies as a Markdown table, from the registry."""
  rows = [
    "| strategy | needs | simplex | cost a step | paper | use |",
    "|---|---|---|---|---|---|",
  ]
  for name, strategy in STRATEGIES.items():
    legal = signature(name)
    required: dict[str, Any] = {
      k: 1.0 for k, v in legal.items() if v is inspect.Parameter.empty
    }
    weighting = make(name, **required)
    needs = [
      *(f"`{need}`" for need in weighting.needs),
      *(f"`{offer}` if given" for offer in weighting.accepts),
    ]
    rows.append(
      f"| `{name}({', '.join(legal)})` | {', '.join(needs) or '-'} "
      f"| {'yes' if weighting.simplex else 'no'} | {strategy.cost} "
      f"| {strategy.paper} | {strategy.use} |"
    )
  return "\n".join(rows) + "\n"
