"""What the sections of a config make: adversary, optimizer; see `suites`."""

from collections.abc import Callable, Sequence
import functools
import pathlib
from typing import Any

import jax
from ml_collections import ConfigDict
import optax

from taskrobust_jax import minimax
from taskrobust_jax.errors import InputError
from taskrobust_jax.storage.compare import differences
from taskrobust_jax.train import references
from taskrobust_jax.train.checks import check_count
from taskrobust_jax.train.optimizer import make_optimizer, make_schedule
from taskrobust_jax.train.references import References

# What the train step can show a strategy besides the losses.
OFFERED = {"step", "held_out_losses", "gradient_norms"}
# Arguments of strategies that may be (first, last) in a config.
_SCHEDULED = ("step_size", "temperature")


def references_of(
  config: ConfigDict, info: Any, task_names: Sequence[str]
) -> References | None:
  """The references that a config names, or `None`.

  A text in the place of `config.minimax.reference_losses` is the path of a file
  made by `calibrate`.

  Raises:
    InputError: If it cannot be read, or was made from another tokenizer,
      grouping or model.
  """
  path = config.minimax.get("reference_losses")
  if not isinstance(path, str):
    return None
  found = references.read(pathlib.Path(path))
  expected = references.made_from(
    config.to_dict(), getattr(info, "tokenizer_sha256", ""), task_names
  )
  differing = differences(found.made_from, expected)
  if differing:
    raise InputError(
      f"references {path} do not fit this run: their "
      f"{', their '.join(differing)}; make them by calibrate with this config"
    )
  return found


def make_weighting(
  section: ConfigDict, given: References | None = None, num_steps: int = 1
) -> minimax.TaskWeighting:
  """Makes the strategy that a section `config.minimax` describes.

  Args:
    section: It. A `step_size` or `temperature` of two numbers goes linearly
      from the first to the second.
    given: References in the place of its `reference_losses`.
    num_steps: Of the run.

  Raises:
    InputError: For an unknown strategy, one changed without its arguments, or
      an argument out of range.
  """
  arguments = section.to_dict()
  name = arguments.pop("strategy")
  arguments.pop("order")
  signal = arguments.get("signal")
  try:
    legal = minimax.signature(name)
    if "signal" in legal:
      legal = minimax.signature(name, signal)
    if set(arguments) != set(legal):
      raise InputError(
        f"strategy {name!r} takes "
        f"{', '.join(legal) or 'no arguments'}, but the config holds "
        f"{', '.join(arguments) or 'none'}; change a strategy by "
        f"--config=FILE:strategy={name}"
      )
    if given is not None:
      # Like is compared with like.
      is_held_out = "held_out" in map(str.strip, str(signal).split("+"))
      curve = given.curves["held_out" if is_held_out else "train"]
      arguments["reference_losses"] = curve.losses
      arguments["reference_steps"] = curve.steps
    for key in _SCHEDULED:
      ends = arguments.get(key)
      if isinstance(ends, tuple | list) and len(ends) == 2:
        for end in ends:  # A schedule itself cannot be checked.
          minimax.make(name, **{**arguments, key: end})
        arguments[key] = optax.linear_schedule(*ends, num_steps)
    return minimax.make(name, **arguments)
  except (TypeError, ValueError) as error:
    raise InputError(f"minimax: {error}") from error


def optimizer(
  config: ConfigDict, weighting: minimax.TaskWeighting, num_tasks: int
) -> tuple[optax.Schedule, optax.GradientTransformationExtraArgs]:
  """(learning_rate, transform) of a config."""
  unmet = set(weighting.needs) - OFFERED
  if unmet:
    raise InputError(
      f"strategy {config.minimax.strategy} needs {', '.join(sorted(unmet))}, "
      "which this train step does not offer"
    )
  options = config.optimizer.to_dict()
  options.pop("average_decay")
  check_count("optimizer.warmup_steps", options["warmup_steps"], least=0)
  check_count(
    "optimizer.max_non_finite_in_a_row", options.pop("max_non_finite_in_a_row")
  )
  learning_rate = make_schedule(
    options.pop("learning_rate"),
    options.pop("warmup_steps"),
    config.num_steps,
    options.pop("schedule"),
  )
  try:
    adversary = minimax.ascend(weighting, num_tasks, config.minimax.order)
    # It knows now how many tasks there are.
    jax.eval_shape(lambda: weighting.init(num_tasks))
  except ValueError as error:
    raise InputError(f"minimax: {error}") from error
  return learning_rate, make_optimizer(adversary, learning_rate, **options)


def regret_bound(section: ConfigDict) -> Callable[..., float] | None:
  """(num_steps, num_tasks, signal_range) -> the adversary's bound.

  `None` for all but plain mirror ascent with a constant step size.
  """
  if section.strategy != "mirror_ascent" or section.smoothing:
    return None
  if not isinstance(section.step_size, int | float) or not section.step_size:
    return None
  return functools.partial(minimax.adversary_regret_bound, section.step_size)
