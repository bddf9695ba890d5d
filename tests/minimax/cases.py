"""Every registered strategy with settings, for tests of what holds for all."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from taskrobust_jax import minimax

K = 4
WEIGHTS = np.array([0.1, 0.2, 0.3, 0.4])
LOSSES = np.array([0.5, 2.0, 1.0, 3.5])
FOUR = (0.1, 0.2, 0.3, 0.4)

# case -> (strategy, arguments, extra inputs)
CASES = {
  "uniform": ("uniform", {}, {}),
  "fixed": ("fixed", {"weights": (1.0, 2.0, 3.0, 4.0)}, {}),
  "mirror_ascent": ("mirror_ascent", {"step_size": 0.3}, {}),
  "smoothed": ("mirror_ascent", {"step_size": 0.3, "smoothing": 0.1}, {}),
  "optimistic": (
    "optimistic_mirror_ascent",
    {"step_size": 0.2, "smoothing": 0.05},
    {},
  ),
  "softmax": ("softmax_weighted", {"temperature": 0.7}, {}),
  "through_softmax": (
    "softmax_weighted",
    {"temperature": 0.7, "through_softmax": True},
    {},
  ),
  "cvar": ("cvar", {"fraction": 0.4}, {}),
  "chi_square": ("chi_square", {"radius": 0.3}, {}),
  "chi_square_penalised": ("chi_square_penalised", {"penalty": 0.6}, {}),
  "group_dro": ("group_dro", {"step_size": 0.2, "adjustments": FOUR}, {}),
  "group_dro_normalized": (
    "group_dro",
    {"step_size": 0.2, "adjustments": FOUR, "normalize": True},
    {},
  ),
  "doremi": ("doremi", {"reference_losses": (1.0, 1.5, 1.0, 2.0)}, {}),
  "doremi_tokens": (
    "doremi",
    {"reference_losses": 1.0, "smoothing": 0.01},
    {"excess_losses": FOUR},
  ),
  "smooth_tchebycheff": (
    "smooth_tchebycheff",
    {"temperature": 0.7, "warmup_steps": 2},
    {},
  ),
  "dynamic_weight_average": ("dynamic_weight_average", {"window": 2}, {}),
  "random_weights": ("random_weights", {"seed": 3}, {}),
  "uncertainty": ("uncertainty", {"learning_rate": 0.1}, {}),
  "uncertainty_multimae": (
    "uncertainty",
    {"form": "multimae", "learning_rate": 0.1, "optimizer": "sgd"},
    {},
  ),
  "famo": ("famo", {"min_losses": FOUR}, {}),
  "famo_exact": ("famo", {"step_size": 0.1}, {"next_losses": (1.0, 2, 3, 4)}),
  "gradnorm": ("gradnorm", {}, {"gradient_norms": (1.0, 2.0, 0.5, 3.0)}),
  "gradnorm_softmax": (
    "gradnorm",
    {"form": "softmax", "optimizer": "sgd", "warmup_steps": 1},
    {"gradient_norms": (1.0, 2.0, 0.5, 3.0)},
  ),
}


def weighting_of(case, tasks=None):
  """The case's weighting; `tasks` picks or reorders its entries a task."""
  name, arguments, _ = CASES[case]
  if tasks is not None:
    arguments = {
      k: np.array(v)[tasks] if isinstance(v, tuple) else v
      for k, v in arguments.items()
    }
  return minimax.make(name, **arguments)


def extra_of(case, tasks=slice(None)):
  return {k: np.array(v, np.float32)[tasks] for k, v in CASES[case][2].items()}


@functools.cache
def jitted_update(case):
  """One compiled update of K tasks a case, shared by the tests."""
  update = jax.jit(weighting_of(case).update)

  def call(losses, state, present=None, **extra):
    present = np.ones(K, bool) if present is None else np.array(present, bool)
    losses = np.asarray(losses, np.float32)
    return update(losses, state, present, **(extra_of(case) | extra))

  call.cache_size = update._cache_size
  return call


def state_at(weighting, weights):
  """The initial state, moved to non-uniform weights."""
  weights = jnp.asarray(weights, jnp.float32)
  state = weighting.init(len(weights))
  return state._replace(task_weights=weights, log_task_weights=jnp.log(weights))
