"""Runs of the stateful strategies in plain NumPy, float64, all tasks present.

Transcribed from the papers' formulas and, where these leave something open,
from what the published codes do. Each takes losses [T, K] and returns
coefficients [T, K].
"""

import numpy as np


def softmax(x):
  e = np.exp(x - np.max(x))
  return e / e.sum()


class Adam:
  def __init__(self, learning_rate, weight_decay=0.0):
    self.learning_rate, self.weight_decay = learning_rate, weight_decay
    self.m = self.v = 0.0
    self.n = 0

  def __call__(self, x, gradient):
    gradient = gradient + self.weight_decay * x
    self.n += 1
    self.m = 0.9 * self.m + 0.1 * gradient
    self.v = 0.999 * self.v + 0.001 * gradient**2
    m, v = self.m / (1 - 0.9**self.n), self.v / (1 - 0.999**self.n)
    return x - self.learning_rate * m / (np.sqrt(v) + 1e-8)


def descent(optimizer, learning_rate, weight_decay=0.0):
  if optimizer == "adam":
    return Adam(learning_rate, weight_decay)
  return lambda x, gradient: x - learning_rate * (gradient + weight_decay * x)


def optimistic_mirror_ascent(losses, step_size, smoothing=0.0):
  q, before, out = np.full(losses.shape[1], 1 / losses.shape[1]), None, []
  for now in losses:
    shown = now if before is None else 2 * now - before
    q = q * np.exp(step_size * shown)
    q = (1 - smoothing) * q / q.sum() + smoothing / len(q)
    before = now
    out.append(q)
  return np.array(out)


def doremi(losses, reference_losses, step_size=1.0, smoothing=1e-3):
  q, out = np.full(losses.shape[1], 1 / losses.shape[1]), []
  for now in losses:
    q = q * np.exp(step_size * np.maximum(now - reference_losses, 0))
    q = (1 - smoothing) * q / q.sum() + smoothing / len(q)
    out.append(q)
  return np.array(out)


def smooth_tchebycheff(losses, temperature, warmup_steps, average_from=0):
  nadir = losses[average_from:warmup_steps].mean(0)
  out = []
  for step, now in enumerate(losses):
    q = np.full(len(now), 1 / len(now))
    if step >= warmup_steps:
      q = softmax(np.log(now / nadir) / temperature)
    out.append(q / now)
  return np.array(out)


def dynamic_weight_average(losses, temperature=2.0, window=1):
  out = []
  for step in range(len(losses)):
    epoch = step // window
    rate = np.ones(losses.shape[1])
    if epoch >= 2:
      means = losses[: epoch * window].reshape(epoch, window, -1).mean(1)
      rate = means[-1] / means[-2]
    out.append(softmax(rate / temperature))
  return np.array(out)


def uncertainty(
  losses, form="kendall", learning_rate=1e-3, optimizer="adam", weight_decay=0.0
):
  half, start = {"kendall": (0.5, -0.5), "multimae": (1.0, 0.0)}[form]
  s, move, out = np.full(losses.shape[1], start), None, []
  move = descent(optimizer, learning_rate, weight_decay)
  for now in losses:
    out.append(half * np.exp(-s))
    s = move(s, half - half * np.exp(-s) * now)
  return np.array(out)


def famo(
  losses, step_size=0.025, weight_decay=1e-3, min_losses=0.0, next_losses=None
):
  w, move = np.zeros(losses.shape[1]), Adam(step_size, weight_decay)
  gap = lambda x: x - min_losses + 1e-8
  out = []
  for step, now in enumerate(losses):
    if step:
      after = now if next_losses is None else next_losses[step]
      change = np.log(gap(losses[step - 1])) - np.log(gap(after))
      z = softmax(w)
      jacobian = np.diag(z) - np.outer(z, z)
      w = move(w, jacobian.T @ change)
    q = softmax(w) / gap(now)
    out.append(q / q.sum())
  return np.array(out)


def gradnorm(
  losses,
  gradient_norms,
  alpha=1.5,
  learning_rate=0.025,
  optimizer="adam",
  form="direct",
  warmup_steps=0,
):
  num_tasks = losses.shape[1]
  w, move = np.ones(num_tasks), descent(optimizer, learning_rate)
  start = losses[: max(warmup_steps, 1)].mean(0)
  out = []
  for step, (now, norms) in enumerate(zip(losses, gradient_norms)):
    used = num_tasks * softmax(w) if form == "softmax" else w
    out.append(used / num_tasks)
    if step < warmup_steps:
      continue
    rate = now / start
    target = np.mean(used * norms) * (rate / rate.mean()) ** alpha
    gradient = norms * np.sign(used * norms - target)
    if form == "softmax":
      z = used / num_tasks
      gradient = num_tasks * (np.diag(z) - np.outer(z, z)).T @ gradient
    w = move(w, gradient)
    if form == "direct":
      w = num_tasks * w / w.sum()
  return np.array(out)
