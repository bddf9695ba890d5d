"""The minimax as one link of an optax chain.

tx = optax.chain(minimax.ascend(weighting, num_tasks), optax.adamw(1e-3))

losses, pull_back = jax.vjp(per_task_losses, params)       # [K], one forward
updates, opt_state = tx.update(
  pull_back, opt_state, params, task_losses=losses)        # one backward
params = optax.apply_updates(params, updates)
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from taskrobust_jax.minimax.weighting import TaskWeighting, restrict

Order = Literal["alternating", "simultaneous"]
ORDERS: tuple[str, ...] = ("alternating", "simultaneous")


class AscendState(NamedTuple):
  """State of `ascend`.

  Attributes:
    task_weights: [K] f32. The coefficients that made the last gradients.
    weighting: The adversary's own state.
  """

  task_weights: jax.Array
  weighting: Any


def ascend(
  weighting: TaskWeighting, num_tasks: int, order: Order = "alternating"
) -> optax.GradientTransformationExtraArgs:
  """Descent and mirror ascent as the first link of an optax chain.

    q_t = ascent(q_{t-1}, L_t),   gradient = sum_k q_k grad L_k

  The incoming "updates" are the pull-back of the losses, as `jax.vjp` returns
  it: the adversary is shown the losses, its weights are pulled back into
  gradients, and these go to the next link. One backward pass, whatever K is.

  Args:
    weighting: The adversary.
    num_tasks: K, >= 1.
    order: "alternating" uses q_t, the new weights, on the same batch;
      "simultaneous" uses q_{t-1}, those from before the batch was seen.

  Returns:
    A transform whose `update` takes `task_losses` [K], and may take
    `is_present` [K] bool and what `weighting.needs` names, as extra arguments.

  Raises:
    ValueError: For an unknown order or fewer than one task.

  Example:
    >>> import jax, jax.numpy as jnp, optax
    >>> from taskrobust_jax import minimax
    >>> def per_task_losses(x):
    ...   return jnp.stack([4 * (x - 1) ** 2, (x + 1) ** 2])
    >>> tx = optax.chain(
    ...   minimax.ascend(minimax.mirror_ascent(0.1), num_tasks=2),
    ...   optax.sgd(0.02))
    >>> @jax.jit
    ... def step(x, state):
    ...   losses, pull_back = jax.vjp(per_task_losses, x)
    ...   updates, state = tx.update(pull_back, state, x, task_losses=losses)
    ...   return optax.apply_updates(x, updates), state
    >>> x, state = jnp.float32(0), tx.init(jnp.float32(0))
    >>> for _ in range(1000):
    ...   x, state = step(x, state)
    >>> print(f"{x:.4f}", minimax.task_weights(state).round(4))  # 1/3, 2/3
    0.3333 [0.3333 0.6667]
  """
  if order not in ORDERS:
    raise ValueError(f"order must be one of {ORDERS}, got {order!r}")

  def init(params):
    del params
    state = weighting.init(num_tasks)
    return AscendState(state.task_weights, state)

  def update(
    updates, state, params=None, *, task_losses, is_present=None, **extra
  ):
    del params
    if not callable(updates):
      raise ValueError(
        "ascend must be the first link of the chain, and its updates the "
        f"pull-back that jax.vjp returned; got {type(updates).__name__}"
      )
    with jax.named_scope("adversary"):
      new_weights, new_state = weighting.update(
        task_losses, state.weighting, is_present, **extra
      )
    used = new_weights
    if order == "simultaneous":
      used = restrict(
        state.weighting.task_weights,
        _is_usable(task_losses, is_present),
        weighting.simplex,
      )
    (gradients,) = updates(used.astype(task_losses.dtype))
    return gradients, AscendState(used, new_state)

  return optax.GradientTransformationExtraArgs(init, update)


def ascend_weights(
  weighting: TaskWeighting,
) -> optax.GradientTransformationExtraArgs:
  """The adversary as the transform of a `task_weights` leaf.

  For the joint-gradient form: differentiate the Lagrangian sum_k q_k L_k(x)
  with respect to params and task weights at once and let `optax.partition`
  send each gradient to its player. The gradient in q is the losses; this
  transform holds the log dual variable in its state and returns new - old.

    tx = optax.partition(
      {"params": optax.adamw(1e-3),
       "task_weights": ascend_weights(weighting)},
      {"params": "params", "task_weights": "task_weights"})

  Equal to `ascend(order="simultaneous")` while all tasks are present.

  Args:
    weighting: The adversary.

  Returns:
    A transform over one array [K].
  """

  def init(task_weights):
    (leaf,) = jax.tree.leaves(task_weights)
    return weighting.init(leaf.shape[0])

  def update(updates, state, params=None, *, is_present=None, **extra):
    if params is None:
      raise ValueError("ascend_weights needs params: it returns new - old")
    # optax.partition hands over a tree in which the other player is masked.
    (losses,), structure = jax.tree.flatten(updates)
    (old,) = jax.tree.leaves(params)
    _, state = weighting.update(losses, state, is_present, **extra)
    return jax.tree.unflatten(structure, [state.task_weights - old]), state

  return optax.GradientTransformationExtraArgs(init, update)


def find_state(opt_state: Any) -> AscendState:
  """The `AscendState` inside an optimizer state, however it is nested.

  Raises:
    ValueError: Unless there is exactly one.
  """
  nodes = jax.tree.leaves(
    opt_state, is_leaf=lambda node: isinstance(node, AscendState)
  )
  found = [node for node in nodes if isinstance(node, AscendState)]
  if len(found) != 1:
    raise ValueError(
      f"the optimizer state must hold one minimax.ascend, found {len(found)}"
    )
  return found[0]


def task_weights(opt_state: Any) -> jax.Array:
  """The coefficients [K] f32 of the last gradients, from an optimizer state."""
  return find_state(opt_state).task_weights


def _is_usable(task_losses, is_present):
  is_finite = jnp.isfinite(task_losses)
  return is_finite if is_present is None else is_finite & is_present
