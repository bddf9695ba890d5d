"""The optimizer: `minimax.ascend`, then AdamW as BERT is trained."""

from typing import Any

import jax
import optax

from taskrobust_jax.errors import InputError
from taskrobust_jax.train.layer_decay import scale_by_layer
from taskrobust_jax.train.spikes import SpikeState, skip_spikes


def make_optimizer(
  adversary: optax.GradientTransformationExtraArgs,
  learning_rate: optax.Schedule,
  *,
  b1: float,
  b2: float,
  eps: float,
  weight_decay: float,
  clip_norm: float,
  skip_norm_above: float,
  layer_decay: float = 1.0,
) -> optax.GradientTransformationExtraArgs:
  """The whole chain, from pull-back to updates.

  A gradient that is not finite leaves params and the descent's state as they
  are and is counted; it is never applied, however many follow each other.

  Args:
    adversary: `minimax.ascend(...)`.
    learning_rate: A function of `step`, the batches consumed.
    b1: Adam's decay of the mean, in [0, 1).
    b2: Adam's decay of the square, in [0, 1).
    eps: Adam's, > 0.
    weight_decay: >= 0, times the learning rate; not for biases and norms.
    clip_norm: > 0, the largest global norm of a gradient.
    skip_norm_above: An update is skipped when its gradient's norm is so many
      times the running mean (`skip_spikes`), > 1; 0 for never.
    layer_decay: In (0, 1], see `layer_decay.py`; 1 for none.

  Returns:
    A transform that takes `task_losses`, `is_present` and `step`.

  Raises:
    InputError: If an argument is outside its range.
  """
  for name, value, is_legal, legal in (
    ("b1", b1, 0 <= b1 < 1, "[0, 1)"),
    ("b2", b2, 0 <= b2 < 1, "[0, 1)"),
    ("eps", eps, 0 < eps < float("inf"), "(0, inf)"),
    (
      "weight_decay",
      weight_decay,
      0 <= weight_decay < float("inf"),
      "[0, inf)",
    ),
    ("clip_norm", clip_norm, 0 < clip_norm, "(0, inf]"),
    (
      "skip_norm_above",
      skip_norm_above,
      skip_norm_above == 0 or 1 < skip_norm_above,
      "(1, inf] or 0 for never",
    ),
    ("layer_decay", layer_decay, 0 < layer_decay <= 1, "(0, 1]"),
  ):
    if not is_legal:
      raise InputError(f"optimizer.{name} must be in {legal}, got {value}")
  links = [
    optax.clip_by_global_norm(clip_norm),
    optax.scale_by_adam(b1, b2, eps),
    optax.add_decayed_weights(weight_decay, _is_decayed),
    _scale_by_learning_rate(learning_rate),
  ]
  if layer_decay < 1:
    links.append(scale_by_layer(layer_decay))
  descent = optax.chain(*links)
  if skip_norm_above:
    descent = skip_spikes(descent, skip_norm_above)
  guarded = optax.apply_if_finite(descent, max_consecutive_errors=2**31 - 2)
  # In a profile; the backward pass is a part of the adversary's link.
  named = optax.with_extra_args_support(guarded)._replace(
    update=jax.named_call(guarded.update, name="update")
  )
  return optax.chain(adversary, named)


SCHEDULES = ("linear", "cosine")


def make_schedule(
  peak: float, warmup_steps: int, num_steps: int, schedule: str = "linear"
) -> optax.Schedule:
  """Linear rise from 0 to `peak`, then a fall to 0 at `num_steps`.

  Args:
    peak: > 0.
    warmup_steps: In [0, num_steps).
    num_steps: Of the run.
    schedule: How it falls: "linear", or "cosine" for half a wave.

  Raises:
    InputError: If the peak is not positive, the warm-up does not end before
      the run does, or there is no such schedule.
  """
  if schedule not in SCHEDULES:
    raise InputError(
      f"optimizer.schedule must be in {SCHEDULES}, got {schedule!r}"
    )
  if not 0 < peak < float("inf"):
    raise InputError(f"optimizer.learning_rate must be in (0, inf), got {peak}")
  if not 0 <= warmup_steps < num_steps:
    raise InputError(
      f"optimizer.warmup_steps must be in [0, num_steps = {num_steps}), got "
      f"{warmup_steps}"
    )
  num_falling = num_steps - warmup_steps
  fall = {
    "linear": optax.linear_schedule(peak, 0.0, num_falling),
    "cosine": optax.cosine_decay_schedule(peak, num_falling),
  }[schedule]
  return optax.join_schedules(
    [optax.linear_schedule(0.0, peak, warmup_steps), fall], [warmup_steps]
  )


def _scale_by_learning_rate(
  learning_rate: optax.Schedule,
) -> optax.GradientTransformationExtraArgs:
  """As optax's, but of the run's step: optax's own count stops on a skip."""

  def update(updates, state, params=None, *, step, **extra):
    del params, extra
    rate = learning_rate(step)
    return jax.tree.map(lambda u: -rate * u, updates), state

  return optax.GradientTransformationExtraArgs(
    lambda params: optax.EmptyState(), update
  )


def _is_decayed(params: Any) -> Any:
  """True for matrices and embeddings, False for biases and norm scales."""
  return jax.tree.map_with_path(
    lambda path, _: path[-1].key not in ("bias", "scale"), params
  )


def num_skipped_updates(opt_state: Any) -> jax.Array:
  """How many updates a chain of `make_optimizer` has skipped, scalar int32."""
  _, guard = opt_state
  skipped = guard.total_notfinite
  if isinstance(guard.inner_state, SpikeState):
    skipped += guard.inner_state.skipped
  return skipped


def num_non_finite_in_a_row(opt_state: Any) -> jax.Array:
  """How many of the last gradients were not finite, scalar int32."""
  _, guard = opt_state
  return guard.notfinite_count
