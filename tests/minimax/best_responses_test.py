"""The answers that solve a small problem exactly: at its edges, and optimal."""

from hypothesis import given, settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax import minimax
from tests.minimax import reference


def answer(name, losses, **arguments):
  weighting = minimax.make(name, **arguments)
  losses = jnp.asarray(losses, jnp.float32)
  return np.asarray(weighting.update(losses, weighting.init(losses.size))[0])


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.3, 0.35, 0.7, 1.0])
def test_cvar_fills_the_largest(fraction):
  losses = np.random.default_rng(0).normal(size=10)
  np.testing.assert_allclose(
    answer("cvar", losses, fraction=fraction),
    reference.best_cvar(losses, fraction),
    rtol=1e-6,
    atol=1e-9,
  )


def test_cvar_of_ties():
  got = answer("cvar", [1.0, 3.0, 3.0, 2.0, 2.0], fraction=0.5)
  # 2.5 ranks: one each for the 3s, half a rank shared by the 2s.
  np.testing.assert_allclose(got, np.array([0, 1, 1, 0.25, 0.25]) / 2.5)


RANDOM = np.random.default_rng(1)


@pytest.mark.parametrize("num_tasks", [2, 5, 64])
@pytest.mark.parametrize("radius", [0.0, 1e-4, 0.1, 0.4, 1.0, 10.0, 31.6])
def test_chi_square_equals_bisection(num_tasks, radius):
  losses = np.float32(np.exp(RANDOM.normal(size=num_tasks))).astype(float)
  got = answer("chi_square", losses, radius=radius)
  np.testing.assert_allclose(
    got, reference.best_chi_square(losses, radius), rtol=1e-4, atol=1e-6
  )
  if radius and num_tasks > 1 + 2 * radius:
    met = 0.5 * np.mean((num_tasks * got.astype(float) - 1) ** 2)
    np.testing.assert_allclose(met, radius, rtol=1e-4)


@pytest.mark.parametrize("num_tasks", [1, 2, 5, 64])
@pytest.mark.parametrize("penalty", [1e-3, 0.1, 1.0, 100.0])
def test_chi_square_penalised_equals_bisection(num_tasks, penalty):
  losses = np.float32(RANDOM.normal(size=num_tasks)).astype(float)
  np.testing.assert_allclose(
    answer("chi_square_penalised", losses, penalty=penalty),
    reference.best_chi_square_penalised(losses, penalty),
    rtol=1e-4,
    atol=1e-6,
  )


@pytest.mark.parametrize(
  ("losses", "radius", "expected"),
  [
    ([2.0, 2.0, 2.0], 0.5, [1 / 3, 1 / 3, 1 / 3]),
    ([5.0, 1.0], 0.5, [1.0, 0.0]),  # K <= 1 + 2 radius.
    ([5.0, 5.0, 1.0, 1.0], 0.5, [0.5, 0.5, 0.0, 0.0]),  # Just met by the two.
    ([5.0, 5.0, 1.0, 1.0], 0.9, [0.5, 0.5, 0.0, 0.0]),  # Not met.
    ([0.0, -1e-20, -1.0, -1.0], 0.5, [0.5, 0.5, 0.0, 0.0]),
    ([0.0, -1e-20, -1.0, -1.0], 0.8, [0.773861, 0.226139, 0.0, 0.0]),
    ([-1e30, -1e30, 1e30, 1e30], 0.1, None),
  ],
)
def test_chi_square_at_its_edges(losses, radius, expected):
  got = answer("chi_square", losses, radius=radius)
  if expected is None:
    move = np.sqrt(2 * radius) / 4
    expected = [0.25 - move, 0.25 - move, 0.25 + move, 0.25 + move]
  np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


SETS = {
  "cvar": (
    {"fraction": 0.4},
    lambda q: (q <= 1 / (0.4 * q.shape[-1]) + 1e-12).all(-1),
    lambda q: 0.0,
  ),
  "chi_square": (
    {"radius": 0.3},
    lambda q: 0.5 * np.mean((q.shape[-1] * q - 1) ** 2, -1) <= 0.3,
    lambda q: 0.0,
  ),
  "chi_square_penalised": (
    {"penalty": 0.6},
    lambda q: np.ones(q.shape[:-1], bool),
    lambda q: 0.6 * 0.5 * np.mean((q.shape[-1] * q - 1) ** 2, -1),
  ),
}
jitted = {
  name: jax.jit(minimax.make(name, **arguments).update)
  for name, (arguments, _, _) in SETS.items()
}


@pytest.mark.parametrize("name", SETS)
@settings(deadline=None, max_examples=30)
@given(
  losses=st.lists(st.floats(-10, 10), min_size=5, max_size=5),
  seed=st.integers(0, 999),
)
def test_no_legal_weights_do_better(name, losses, seed):
  arguments, is_legal, price = SETS[name]
  losses = np.float32(losses)
  state = minimax.make(name, **arguments).init(5)
  got = np.asarray(jitted[name](losses, state)[0], np.float64)
  rivals = np.random.default_rng(seed).dirichlet(np.full(5, 0.7), 300)
  rivals = (rivals + got) / 2  # Many stay inside of the set.
  rivals = rivals[is_legal(rivals)]
  value = lambda q: q @ losses.astype(float) - price(q)
  assert (value(rivals) <= value(got) + 2e-5).all()


@pytest.mark.parametrize("name", SETS)
def test_absent_tasks_have_no_part_even_where_signals_are_negative(name):
  losses = np.float32([-3.0, 9.0, -1.0, -2.5, -2.0])
  present = np.array([True, False, True, True, True])
  state = minimax.make(name, **SETS[name][0]).init(5)
  got = np.asarray(jitted[name](losses, state, present)[0])
  np.testing.assert_allclose(
    got[present], answer(name, losses[present], **SETS[name][0]), rtol=1e-6
  )
