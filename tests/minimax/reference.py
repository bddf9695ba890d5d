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
