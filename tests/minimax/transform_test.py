"""The optax link: closed form of one step, known saddle, both orders."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from taskrobust_jax import minimax


def quadratics(x):
  """L1 = 4 (x - 1)^2, L2 = (x + 1)^2: saddle x = 1/3, q = (1/3, 2/3), 16/9."""
  return jnp.stack([4 * (x - 1) ** 2, (x + 1) ** 2])


def make_step(tx, per_task_losses=quadratics):
  @jax.jit
  def step(x, state, is_present=None):
    losses, pull_back = jax.vjp(per_task_losses, x)
    updates, state = tx.update(
      pull_back, state, x, task_losses=losses, is_present=is_present
    )
    return optax.apply_updates(x, updates), state

  return step


@pytest.mark.parametrize("order", minimax.ORDERS)
def test_one_step_in_closed_form_from_uneven_weights(order):
  step_size, learning_rate, x = 0.3, 0.01, 0.5
  old = np.array([0.2, 0.8])
  losses = np.array([4 * (x - 1) ** 2, (x + 1) ** 2])
  slopes = np.array([8 * (x - 1), 2 * (x + 1)])
  new = old * np.exp(step_size * losses)
  new /= new.sum()
  used = new if order == "alternating" else old

  weighting = minimax.mirror_ascent(step_size)
  tx = optax.chain(
    minimax.ascend(weighting, 2, order), optax.sgd(learning_rate)
  )
  state = tx.init(jnp.float32(x))
  link = state[0]
  weights = jnp.asarray(old, jnp.float32)
  link = link._replace(
    weighting=link.weighting._replace(
      task_weights=weights, log_task_weights=jnp.log(weights)
    )
  )
  got, state = make_step(tx)(jnp.float32(x), (link, *state[1:]))
  np.testing.assert_allclose(got, x - learning_rate * used @ slopes, rtol=1e-6)
  np.testing.assert_allclose(minimax.task_weights(state), used, rtol=1e-6)
  np.testing.assert_allclose(state[0].weighting.task_weights, new, rtol=1e-6)


@pytest.mark.parametrize("order", minimax.ORDERS)
def test_reaches_the_known_saddle(order):
  tx = optax.chain(
    minimax.ascend(minimax.mirror_ascent(0.1), 2, order), optax.sgd(0.02)
  )
  step = make_step(tx)
  x = jnp.float32(0.0)
  state = tx.init(x)
  for _ in range(2000):
    x, state = step(x, state)
  np.testing.assert_allclose(x, 1 / 3, atol=1e-4)
  np.testing.assert_allclose(
    minimax.task_weights(state), [1 / 3, 2 / 3], atol=1e-4
  )
  np.testing.assert_allclose(quadratics(x).max(), 16 / 9, atol=1e-3)


def test_softmax_weighting_reaches_the_smoothed_maximum():
  temperature = 0.1
  smoothed = lambda x: (
    temperature * jax.nn.logsumexp(quadratics(x) / temperature)
  )
  tx = optax.chain(
    minimax.ascend(minimax.softmax_weighted(temperature), 2), optax.sgd(0.005)
  )
  step = make_step(tx)
  x = jnp.float32(0.0)
  state = tx.init(x)
  for _ in range(2000):
    x, state = step(x, state)
  np.testing.assert_allclose(jax.grad(smoothed)(x), 0.0, atol=1e-3)
  worst = quadratics(x).max()
  assert 16 / 9 - 1e-4 <= worst <= 16 / 9 + temperature * np.log(2)


def test_step_size_0_is_plain_averaging():
  tx = optax.chain(
    minimax.ascend(minimax.mirror_ascent(0.0), 2), optax.adam(0.01)
  )
  plain = optax.adam(0.01)
  step = make_step(tx)
  x = y = jnp.float32(0.0)
  state, plain_state = tx.init(x), plain.init(y)
  for _ in range(20):
    x, state = step(x, state)
    updates, plain_state = plain.update(
      jax.grad(lambda v: quadratics(v).mean())(y), plain_state
    )
    y = optax.apply_updates(y, updates)
    np.testing.assert_allclose(x, y, rtol=1e-6)


def test_joint_gradient_form_equals_the_simultaneous_order():
  weighting = minimax.mirror_ascent(0.1, smoothing=0.05)
  tx = optax.chain(
    minimax.ascend(weighting, 2, "simultaneous"), optax.adam(0.05)
  )
  joint_tx = optax.partition(
    {
      "params": optax.adam(0.05),
      "task_weights": minimax.ascend_weights(weighting),
    },
    {"params": "params", "task_weights": "task_weights"},
  )

  def lagrangian(variables):
    return jnp.vdot(variables["task_weights"], quadratics(variables["params"]))

  @jax.jit
  def joint_step(variables, state):
    gradients = jax.grad(lagrangian)(variables)
    updates, state = joint_tx.update(gradients, state, variables)
    return optax.apply_updates(variables, updates), state

  step = make_step(tx)
  x = jnp.float32(-0.5)
  variables = {"params": x, "task_weights": jnp.full(2, 0.5)}
  state, joint_state = tx.init(x), joint_tx.init(variables)
  for _ in range(100):
    x, state = step(x, state)
    variables, joint_state = joint_step(variables, joint_state)
    np.testing.assert_allclose(variables["params"], x, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(
      variables["task_weights"], state[0].weighting.task_weights, rtol=2e-5
    )


@pytest.mark.parametrize("order", minimax.ORDERS)
def test_an_absent_task_sends_no_gradient(order):
  tx = optax.chain(
    minimax.ascend(minimax.mirror_ascent(0.1), 2, order), optax.sgd(0.1)
  )
  x = jnp.float32(0.0)
  got, state = make_step(tx)(x, tx.init(x), jnp.array([False, True]))
  np.testing.assert_allclose(got, -0.1 * 2 * (0.0 + 1), rtol=1e-6)
  np.testing.assert_array_equal(minimax.task_weights(state), [0.0, 1.0])
  np.testing.assert_allclose(state[0].weighting.task_weights, [0.5, 0.5])


def test_one_backward_pass_whatever_the_number_of_tasks():
  def losses_of(num_tasks):
    def per_task_losses(w):
      x = jnp.ones((num_tasks, 8 // num_tasks, 16))
      return jax.vmap(lambda rows: jnp.square(rows @ w).mean())(x)

    return per_task_losses

  def products(num_tasks):
    tx = minimax.ascend(minimax.mirror_ascent(0.1), num_tasks)
    w = jnp.ones((16, 4))
    step = make_step(tx, losses_of(num_tasks))
    return str(step.trace(w, tx.init(w)).jaxpr).count("dot_general")

  assert products(1) == products(8)


def test_state_is_found_inside_nested_chains():
  tx = optax.apply_if_finite(
    optax.chain(
      optax.chain(minimax.ascend(minimax.uniform(), 3)), optax.adam(1.0)
    ),
    5,
  )
  np.testing.assert_allclose(minimax.task_weights(tx.init(jnp.zeros(2))), 1 / 3)
  with pytest.raises(ValueError, match=r"one minimax.ascend, found 0"):
    minimax.find_state(optax.adam(1.0).init(jnp.zeros(2)))


def test_misuse_is_named():
  with pytest.raises(ValueError, match="order must be one of"):
    minimax.ascend(minimax.uniform(), 2, "at_once")
  tx = minimax.ascend(minimax.uniform(), 2)
  with pytest.raises(ValueError, match="first link of the chain"):
    tx.update(jnp.ones(2), tx.init(None), task_losses=jnp.ones(2))
