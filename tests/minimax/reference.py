"""One update of every strategy in plain NumPy, float64, written from formulas.

It shares no code with the package: probabilities instead of logs, loops instead
of masks.
"""

import numpy as np


def _blend(old, answer, present):
  """Present tasks share what the absent ones leave; the rest is unchanged."""
  new = np.array(old, np.float64)
  share = sum(old[k] for k in range(len(old)) if present[k])
  for k in range(len(old)):
    if present[k]:
      new[k] = share * answer[k]
  return new


def _normalise(values, present):
  values = np.where(present, values, 0.0)
  return values / values.sum()


def mirror_ascent(losses, old, present, step_size, smoothing=0.0):
  """Returns (coefficients, weights over all tasks)."""
  highest = max(step_size * x for x, p in zip(losses, present) if p)
  answer = _normalise(old * np.exp(step_size * losses - highest), present)
  answer = (1 - smoothing) * answer + smoothing / present.sum() * present
  return answer, _blend(old, answer, present)


def softmax_weighted(losses, old, present, temperature, through_softmax=False):
  highest = max(x for x, p in zip(losses, present) if p)
  answer = _normalise(np.exp((losses - highest) / temperature), present)
  if not through_softmax:
    return answer, _blend(old, answer, present)
  # d/dL_k of sum_j q_j(L) L_j, by the softmax's Jacobian.
  jacobian = (np.diag(answer) - np.outer(answer, answer)) / temperature
  coefficients = answer + jacobian @ np.where(present, losses, 0.0)
  return coefficients, np.where(present, coefficients, old)


def group_dro(
  losses, old, present, step_size, adjustments=0.0, normalize=False
):
  shown = np.where(present, losses + adjustments, 0.0)
  if normalize:
    shown = shown / shown.sum()
  return mirror_ascent(shown, old, present, step_size)


def fixed(losses, old, present, weights):
  del losses
  answer = _normalise(np.broadcast_to(weights, old.shape), present)
  return answer, _blend(old, answer, present)


def uniform(losses, old, present):
  return fixed(losses, old, present, 1.0)


def optimistic_mirror_ascent(losses, old, present, step_size, smoothing=0.0):
  return mirror_ascent(losses, old, present, step_size, smoothing)  # Step 1.


def _respond(losses, old, present, best_response):
  """Blends in the answer of a function of the present losses alone."""
  answer = np.zeros(len(losses))
  answer[present] = best_response(losses[present])
  return answer, _blend(old, answer, present)


def best_cvar(losses, fraction):
  """Greedy filling, as the authors' code has it (no ties)."""
  size = fraction * len(losses)
  answer = np.zeros(len(losses))
  order = np.argsort(-losses)
  full = int(size)
  answer[order[:full]] = 1 / size
  if full < len(losses):
    answer[order[full]] = 1 - full / size
  return answer


def _bisect(function, low, high):
  """The root of an increasing function."""
  for _ in range(300):
    middle = (low + high) / 2
    low, high = (low, middle) if function(middle) > 0 else (middle, high)
  return (low + high) / 2


def best_chi_square(losses, radius):
  if len(losses) <= 1 + 2 * radius or np.ptp(losses) == 0:
    return _normalise((losses == losses.max()) * 1.0, True)
  divergence = lambda q: 0.5 * np.mean((len(q) * q - 1) ** 2)
  answer = lambda eta: _normalise(np.maximum(losses - eta, 0), True)
  top = losses.max()
  low = top - 1e6 * np.ptp(losses)
  return answer(
    _bisect(lambda x: divergence(answer(x)) - radius, low, top - 1e-13)
  )


def best_chi_square_penalised(losses, penalty):
  answer = lambda eta: np.maximum(losses - eta, 0) / (penalty * len(losses))
  low = losses.min() - penalty * len(losses)
  return answer(_bisect(lambda x: 1 - answer(x).sum(), low, losses.max()))


def cvar(losses, old, present, fraction):
  return _respond(losses, old, present, lambda x: best_cvar(x, fraction))


def chi_square(losses, old, present, radius):
  return _respond(losses, old, present, lambda x: best_chi_square(x, radius))


def chi_square_penalised(losses, old, present, penalty):
  return _respond(
    losses, old, present, lambda x: best_chi_square_penalised(x, penalty)
  )


def doremi(
  losses,
  old,
  present,
  reference_losses,
  step_size=1.0,
  smoothing=1e-3,
  excess_losses=None,
):
  shown = np.maximum(
    losses - reference_losses if excess_losses is None else excess_losses, 0
  )
  return mirror_ascent(shown, old, present, step_size, smoothing)


def smooth_tchebycheff(losses, old, present, temperature, warmup_steps):
  del temperature, warmup_steps  # The first step is one of the warm-up.
  coefficients = present / present.sum() / losses
  return coefficients, np.where(present, coefficients, old)


def dynamic_weight_average(losses, old, present, window):
  del window  # No two windows are full at the first step.
  return uniform(losses, old, present)


def random_weights(losses, old, present, seed):
  import jax

  key = jax.random.split(jax.random.key(seed, impl="threefry2x32"))[1]
  normals = np.asarray(jax.random.normal(key, losses.shape), np.float64)
  answer = _normalise(np.exp(normals), present)
  return answer, _blend(old, answer, present)


def uncertainty(losses, old, present, form="kendall", **descent):
  del losses, descent  # Before s moves.
  start = {"kendall": np.exp(0.5) / 2, "multimae": 1.0}[form]
  coefficients = start * present
  return coefficients, np.where(present, coefficients, old)


def famo(losses, old, present, step_size=0.025, min_losses=0, next_losses=None):
  del step_size, next_losses  # There is no step before.
  answer = _normalise(1 / (losses - min_losses + 1e-8), present)
  return answer, _blend(old, answer, present)


def gradnorm(losses, old, present, **arguments):
  del arguments  # Before w moves.
  return uniform(losses, old, present)
