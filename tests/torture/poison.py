"""NaN and inf at random steps: in a task's loss, in all, in the gradients."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from taskrobust_jax import minimax
from taskrobust_jax.train import build
from tests.train import toy

STEPS = 40
VALUES = (np.nan, np.inf, -np.inf)
# Name -> (what is poisoned, which tasks).
PLACES = {
  "one task's loss": ("factor", (1,)),
  "one task's loss, its gradient finite": ("addend", (1,)),
  "all losses": ("factor", (0, 1, 2)),
  "gradients": ("gradient", (0,)),
}


@jax.custom_vjp
def _gate(losses, poison):
  return losses


_gate.defvjp(
  lambda losses, poison: (losses, poison),
  lambda poison, g: (g + poison, jnp.zeros_like(poison)),
)


class Poisoned(toy.SquaresWithSums):
  """`Squares`, with poison [B, 3] x 3 in the batch."""

  def per_task_losses(self, params, batch, rng):
    # Gradients that are NaN though the losses are not.
    gated = jax.tree.map(
      lambda x: _gate(x, batch["gradient"].sum() * jnp.ones_like(x)), params
    )
    losses, counts = super().per_task_losses(gated, batch, rng)
    losses = losses * (1 + batch["factor"].sum(0)) + batch["addend"].sum(0)
    return losses, counts


@functools.cache
def experiment(**changes):
  """A run of `Poisoned` ; it logs every step, `poison_with` poisons it."""
  config = toy.config(
    "step_size=0.5",
    **{"batch_size": 24, "num_steps": STEPS, "log_every": 1, **changes},
  )
  return build.build(config, toy.Dataset(), Poisoned(), toy.init_params)


def poison_with(base, place, value, steps):
  """The experiment with poison in the batches of some steps."""
  what, tasks = PLACES[place]

  def load_batch(step):
    batch = base.load_batch(step)
    sharding = batch["tokens"].sharding
    for name in ("factor", "addend", "gradient"):
      poison = np.zeros((base.batch_size, 3), np.float32)
      if name == what and step in steps:
        poison[0, list(tasks)] = value
      batch[name] = jax.device_put(poison, sharding)
    return batch

  return base._replace(load_batch=load_batch)


def survives(place, value, seed) -> str:
  """Trains with poison at random steps; what went wrong, or ""."""
  steps = set(np.random.default_rng(seed).permutation(STEPS)[:15].tolist())
  run = poison_with(experiment(), place, value, steps)
  state = run.init_state()
  losses, skipped = [], 0
  for step in range(STEPS):
    before = jax.device_get((state.params, state.opt_state[1].inner_state))
    state, metrics = run.train_step(state, run.load_batch(step))
    after = jax.device_get((state.params, state.opt_state[1].inner_state))
    weights = np.asarray(minimax.find_state(state.opt_state).weighting[0])
    if not all(np.isfinite(x).all() for x in jax.tree.leaves(after)):
      return f"step {step}: params or optimizer state are not finite"
    if not abs(weights.sum() - 1) < 1e-5 or weights.min() < 0:
      return f"step {step}: weights {weights}"
    is_poisoned = step in steps and PLACES[place][0] != "addend"
    same = jax.tree.map(lambda x, y: x.tobytes() == y.tobytes(), before, after)
    if is_poisoned and not all(jax.tree.leaves(same)):
      return f"step {step}: a poisoned update was applied"
    if not is_poisoned and all(jax.tree.leaves(same)):
      return f"step {step}: a good update was not applied"
    skipped += is_poisoned
    if int(metrics.skipped_updates) != skipped:
      return f"step {step}: counted {metrics.skipped_updates}, not {skipped}"
    if step not in steps:
      losses.append(float(metrics.losses[0]))
  if np.mean(losses[-5:]) > np.mean(losses[:5]):
    return f"nothing was learnt: {losses}"
  return ""


def cases(tries):
  """Yields what went wrong, place after place and value after value."""
  both = itertools.cycle(itertools.product(PLACES, VALUES))
  for seed, (place, value) in zip(range(tries), both):
    yield survives(place, value, seed)
