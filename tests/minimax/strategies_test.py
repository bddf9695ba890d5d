"""Every strategy against NumPy, and what must hold for all of them."""

from hypothesis import given, settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax import minimax
from tests.minimax import reference
from tests.minimax.cases import (
  CASES,
  LOSSES,
  WEIGHTS,
  K,
  extra_of,
  jitted_update,
  state_at,
  weighting_of,
)

all_cases = pytest.mark.parametrize("case", CASES)
# One case a strategy, where each costs a compilation.
each_strategy = pytest.mark.parametrize(
  "case", {name: case for case, (name, _, _) in CASES.items()}.values()
)


def test_every_registered_strategy_has_a_case():
  assert {name for name, _, _ in CASES.values()} == set(minimax.STRATEGIES)


@all_cases
@pytest.mark.parametrize(
  "present", [(1, 1, 1, 1), (1, 0, 1, 1), (0, 1, 0, 1), (0, 0, 1, 0)]
)
def test_one_step_equals_numpy_from_uneven_weights(case, present):
  name, arguments, extra = CASES[case]
  present = np.array(present, bool)
  given = {
    k: np.array(v) if isinstance(v, tuple) else v
    for k, v in (arguments | extra).items()
  }
  expected, expected_weights = getattr(reference, name)(
    LOSSES, WEIGHTS, present, **given
  )
  weighting = weighting_of(case)
  got, state = jitted_update(case)(
    LOSSES, state_at(weighting, WEIGHTS), present
  )
  np.testing.assert_allclose(got, expected, rtol=2e-6, atol=1e-7)
  np.testing.assert_allclose(
    state.task_weights, expected_weights, rtol=2e-6, atol=1e-7
  )


def test_through_softmax_is_the_gradient_through_the_weights():
  losses = jnp.array([1.0, 0.6, 4.9])
  weighting = minimax.softmax_weighted(1.0, through_softmax=True)
  got, _ = weighting.update(losses, weighting.init(3))
  expected = jax.grad(lambda x: jnp.vdot(jax.nn.softmax(x), x))(losses)
  np.testing.assert_allclose(got, expected, atol=1e-6)
  # The figures of the early public experiment's rule, worked by hand.
  np.testing.assert_allclose(got, [-0.054, -0.042, 1.096], atol=5e-4)
  assert not weighting.simplex


@pytest.mark.parametrize("case", ["mirror_ascent", "softmax", "group_dro"])
def test_weights_are_constants_to_differentiation(case):
  weighting = weighting_of(case)
  losses = jnp.array([0.5, 2.0, 1.0, 3.5])
  robust_loss = lambda x: jnp.vdot(weighting.update(x, weighting.init(K))[0], x)
  weights, _ = weighting.update(losses, weighting.init(K))
  np.testing.assert_allclose(jax.grad(robust_loss)(losses), weights, rtol=1e-6)


@pytest.mark.parametrize("case", sorted(set(CASES) - {"random_weights"}))
def test_permuting_tasks_permutes_weights(case):
  order = np.array([2, 0, 3, 1])
  weighting, permuted = weighting_of(case), weighting_of(case, order)
  update = jax.jit(permuted.update)
  state = state_at(weighting, WEIGHTS)
  moved_state = state_at(permuted, WEIGHTS[order])
  # The second has two equal losses.
  for losses in (LOSSES, np.array([2.0, 2.0, 1.0, 0.5]), LOSSES[::-1].copy()):
    plain, state = jitted_update(case)(losses, state)
    moved, moved_state = update(
      losses[order], moved_state, **extra_of(case, order)
    )
    np.testing.assert_allclose(moved, plain[order], rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("case", ["mirror_ascent", "smoothed", "softmax"])
def test_a_constant_added_to_all_losses_changes_nothing(case):
  weighting = weighting_of(case)
  losses = jnp.array([0.5, 2.0, 1.0, 3.5])
  plain, _ = weighting.update(losses, weighting.init(K))
  raised, _ = weighting.update(losses + 16.0, weighting.init(K))
  np.testing.assert_allclose(raised, plain, rtol=1e-5)


@all_cases
def test_all_absent_returns_zeros_and_keeps_the_weights(case):
  before = state_at(weighting_of(case), WEIGHTS)
  got, after = jitted_update(case)(np.ones(K), before, np.zeros(K))
  np.testing.assert_array_equal(got, 0.0)
  np.testing.assert_array_equal(after.task_weights, before.task_weights)


@all_cases
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_non_finite_loss_counts_as_absent_and_is_counted(case, bad):
  update = jitted_update(case)
  before = state_at(weighting_of(case), WEIGHTS)
  poisoned, after = update([0.5, bad, 1.0, 3.5], before)
  absent, expected = update([0.5, 7.0, 1.0, 3.5], before, [1, 0, 1, 1])
  np.testing.assert_array_equal(poisoned, absent)
  np.testing.assert_array_equal(after.num_nonfinite, [0, 1, 0, 0])
  np.testing.assert_array_equal(expected.num_nonfinite, 0)
  unlike = after._replace(num_nonfinite=expected.num_nonfinite)
  jax.tree.map(np.testing.assert_array_equal, unlike, expected)


@all_cases
def test_bfloat16_in_float32_out_and_states_keep_their_form(case):
  weighting = weighting_of(case)
  before = weighting.init(K)
  got, after = jax.eval_shape(
    weighting.update,
    jax.ShapeDtypeStruct((K,), jnp.bfloat16),
    before,
    **extra_of(case),
  )
  assert got.dtype == jnp.float32
  form = lambda leaf: (leaf.shape, leaf.dtype)
  assert jax.tree.map(form, after) == jax.tree.map(form, before)
  for leaf in jax.tree.leaves(before):
    assert isinstance(leaf, jax.Array)
    assert leaf.dtype in (jnp.float32, jnp.int32, jnp.uint32, jnp.bool_)


@all_cases
def test_presence_and_steps_never_recompile(case):
  update = jitted_update(case)
  state = weighting_of(case).init(K)
  _, state = update(np.ones(K), state)
  size = update.cache_size()
  for present in ((1, 1, 1, 1), (0, 1, 1, 0), (0, 0, 0, 0)):
    _, state = update(np.ones(K), state, present)
  assert update.cache_size() == size


@each_strategy
def test_scan_and_vmap(case):
  weighting = weighting_of(case)
  extra = extra_of(case)
  losses = jax.random.uniform(jax.random.key(0), (5, 3, K))  # steps, runs, K
  one_run = lambda state, x: weighting.update(x, state, **extra)[::-1]
  states = jax.vmap(lambda _: weighting.init(K))(jnp.arange(3))
  _, scanned = jax.lax.scan(jax.vmap(one_run), states, losses)
  for run in range(3):
    state = weighting.init(K)
    for step in range(5):
      expected, state = jitted_update(case)(losses[step, run], state)
      np.testing.assert_allclose(
        scanned[step, run], expected, rtol=1e-5, atol=1e-7
      )


@pytest.mark.parametrize(
  "case",
  [
    "smoothed",
    "optimistic",
    "softmax",
    "cvar",
    "chi_square",
    "chi_square_penalised",
    "group_dro",
    "doremi",
  ],
)
def test_a_dead_task_revives_under_every_adversary(case):
  weighting = weighting_of(case)
  steps = jnp.arange(1300)[:, None] < 600
  losses = jnp.where(
    steps, jnp.array([0, 6.0, 6, 6]), jnp.array([6.0, 0, 0, 0])
  )
  _, weights = jax.lax.scan(
    lambda state, x: weighting.update(x, state)[::-1],
    weighting.init(K),
    losses,
  )
  assert weights[599, 0] < 0.03
  assert weights[-1, 0] > 0.4


def test_a_dead_task_revives():
  # A weight of e^-300 is 0 in float32; the dual variable remembers it.
  weighting = minimax.mirror_ascent(step_size=1.0)
  state = weighting.init(2)
  for _ in range(300):
    _, state = weighting.update(jnp.array([1.0, 0.0]), state)
  assert state.task_weights[1] == 0.0
  for _ in range(310):
    weights, state = weighting.update(jnp.array([0.0, 1.0]), state)
  np.testing.assert_allclose(weights[1], 1.0, atol=1e-3)


@pytest.mark.parametrize("case", ["mirror_ascent", "group_dro", "softmax"])
def test_a_half_present_task_of_equal_loss_keeps_its_weight(case):
  name, arguments, _ = CASES[case]
  arguments = {k: v for k, v in arguments.items() if k != "adjustments"}
  weighting = minimax.make(name, **arguments)
  update = jax.jit(weighting.update)
  state = weighting.init(K)
  for step in range(1000):
    present = jnp.array([True, True, True, step % 2 == 0])
    _, state = update(jnp.full(K, 2.0), state, present)
  np.testing.assert_allclose(state.task_weights, 1 / K, atol=1e-5)


def test_a_gain_beyond_float32_leaves_legal_weights():
  weighting = minimax.mirror_ascent(step_size=1e30)
  weights, state = weighting.update(jnp.array([1e30, 1e-30]), weighting.init(2))
  np.testing.assert_array_equal(weights, [1.0, 0.0])
  assert np.isfinite(state.log_task_weights).all()


def test_tasks_of_weight_0_share_equally_where_they_are_alone():
  weighting = minimax.fixed((1.0, 0.0, 0.0))
  present = jnp.array([False, True, True])
  weights, _ = weighting.update(jnp.ones(3), weighting.init(3), present)
  np.testing.assert_allclose(weights, [0.0, 0.5, 0.5])


@each_strategy
def test_10_000_steps_do_not_drift(case):
  weighting = weighting_of(case)

  def step(state, inputs):
    losses, present = inputs
    got, state = weighting.update(losses, state, present, **extra_of(case))
    return state, (got.sum() - present.any(), state.task_weights)

  rng = np.random.default_rng(0)
  losses = rng.uniform(0.5, 2.0, (10_000, K)).astype(np.float32)
  present = rng.uniform(size=(10_000, K)) < 0.7
  state, (gone, weights) = jax.lax.scan(
    step, weighting.init(K), (losses, present)
  )
  for leaf in jax.tree.leaves(state):
    assert np.isfinite(leaf).all()
  if weighting.simplex:
    np.testing.assert_allclose(gone, 0.0, atol=1e-6)
    np.testing.assert_allclose(weights.sum(1), 1.0, atol=2e-5)


loss_values = st.one_of(
  st.floats(1e-30, 1e30), st.sampled_from([np.nan, np.inf, -np.inf, 0.0])
)


@all_cases
@settings(deadline=None, max_examples=25)
@given(
  steps=st.lists(
    st.tuples(
      st.lists(loss_values, min_size=K, max_size=K),
      st.lists(st.booleans(), min_size=K, max_size=K),
    ),
    min_size=1,
    max_size=5,
  )
)
def test_any_losses_leave_legal_weights(case, steps):
  weighting = weighting_of(case)
  update = jitted_update(case)
  state = weighting.init(K)
  for losses, present in steps:
    losses = np.array(losses, np.float32)
    extra = {name: np.roll(losses, 1) for name in extra_of(case)}
    got, state = update(losses, state, present, **extra)
    usable = np.array(present) & np.isfinite(losses)
    if "excess_losses" in extra:  # It is the signal.
      usable &= np.isfinite(extra["excess_losses"])
    assert np.isfinite(got).all()
    assert np.isfinite(state.task_weights).all()
    assert not np.isnan(state.log_task_weights).any()
    for leaf in jax.tree.leaves((state.signal, state.ascent)):
      assert np.isfinite(leaf).all()
    assert (np.asarray(got)[~usable] == 0).all()
    if weighting.simplex:
      assert (np.asarray(got) >= 0).all()
      np.testing.assert_allclose(got.sum(), float(usable.any()), atol=1e-5)
      np.testing.assert_allclose(state.task_weights.sum(), 1.0, atol=1e-4)


@each_strategy
@pytest.mark.parametrize("num_tasks", [1, 64])
def test_one_task_and_many(case, num_tasks):
  weighting = weighting_of(case, np.arange(num_tasks) % K)
  extra = extra_of(case, np.arange(num_tasks) % K)
  update = jax.jit(weighting.update)
  state = weighting.init(num_tasks)
  for power in (0, 1, 2):
    losses = (1.0 + np.arange(num_tasks, dtype=np.float32)) ** power
    got, state = update(losses, state, **extra)
    assert np.isfinite(got).all()
    if weighting.simplex:
      np.testing.assert_allclose(got.sum(), 1.0, rtol=1e-5)


def test_step_size_follows_its_schedule():
  weighting = minimax.mirror_ascent(step_size=lambda step: 0.1 * step)
  assert weighting.needs == ("step",)
  losses = jnp.array([1.0, 0.0])
  still, _ = weighting.update(losses, weighting.init(2), step=0)
  moved, _ = weighting.update(losses, weighting.init(2), step=10)
  np.testing.assert_allclose(still, [0.5, 0.5])
  np.testing.assert_allclose(moved, jax.nn.softmax(losses), rtol=1e-6)


@pytest.mark.parametrize(
  ("name", "arguments", "message"),
  [
    ("mirror_ascent", {"step_size": -0.1}, r"step_size must be in \[0, inf\)"),
    ("mirror_ascent", {"step_size": np.nan}, "step_size .* got nan"),
    ("mirror_ascent", {"step_size": np.inf}, "step_size .* got inf"),
    ("mirror_ascent", {"smoothing": 1.0}, r"smoothing must be in \[0, 1\)"),
    ("softmax_weighted", {"temperature": 0}, r"temperature .* \(0, inf\)"),
    ("softmax_weighted", {"temperature": np.nan}, "temperature .* got nan"),
    ("group_dro", {"adjustments": -1.0}, "adjustments must be in"),
    ("fixed", {"weights": (1.0, -1.0)}, "weights must be in"),
    ("fixed", {"weights": (0.0, 0.0)}, "must not all be 0"),
    ("mirror_ascents", {}, "did you mean 'mirror_ascent'"),
    ("mirror_ascent", {"stepsize": 1}, "no argument 'stepsize'"),
    ("optimistic_mirror_ascent", {"step_size": -1}, r"step_size .* \[0, inf"),
    ("cvar", {"fraction": 0.0}, r"fraction must be in \(0, 1\], got 0.0"),
    ("cvar", {"fraction": 1.5}, r"fraction must be in \(0, 1\], got 1.5"),
    ("chi_square", {"radius": -1}, r"radius must be in \[0, inf\), got -1"),
    ("chi_square_penalised", {"penalty": 0}, r"penalty must be in \(0, inf"),
    ("doremi", {}, "doremi needs the argument 'reference_losses'"),
    ("doremi", {"reference_losses": np.nan}, "reference_losses must be fin"),
    ("doremi", {"reference_losses": "a.json"}, "must be a number or one a"),
    ("smooth_tchebycheff", {"warmup_steps": 0}, "warmup_steps must be a whole"),
    (
      "smooth_tchebycheff",
      {"warmup_steps": 2, "average_from": 2},
      r"average_from must be less than warmup_steps \(2\), got 2",
    ),
    (
      "smooth_tchebycheff",
      {"average_from": -1},
      "average_from must be a whole",
    ),
    ("dynamic_weight_average", {"window": 0}, "window must be a whole"),
    ("dynamic_weight_average", {"window": 2.5}, "window must be .*got 2.5"),
    ("dynamic_weight_average", {"temperature": 0}, "temperature must be in"),
    ("random_weights", {"seed": -1}, "whole number >= 0, got -1"),
    ("uncertainty", {"form": "kendal"}, "form must be one of .*kendall"),
    ("uncertainty", {"optimizer": "lion"}, "optimizer must be one of .*adam"),
    ("uncertainty", {"learning_rate": -1}, "learning_rate must be in"),
    ("famo", {"step_size": -1}, r"step_size must be in \[0, inf\)"),
    ("famo", {"weight_decay": -1}, r"weight_decay must be in \[0, inf\)"),
    ("famo", {"min_losses": np.inf}, "min_losses must be finite"),
    ("gradnorm", {"alpha": -1}, r"alpha must be in \[0, inf\)"),
    ("gradnorm", {"form": "soft"}, "form must be one of .*direct"),
    ("gradnorm", {"warmup_steps": -1}, "warmup_steps must be a whole"),
  ],
)
def test_bad_arguments_are_refused_when_made(name, arguments, message):
  with pytest.raises(ValueError, match=message):
    minimax.make(name, **arguments)


def test_the_number_of_tasks_is_checked():
  with pytest.raises(ValueError, match="weights must be a number or have one"):
    minimax.fixed((1.0, 2.0, 3.0)).init(4)
  with pytest.raises(ValueError, match="num_tasks must be .* >= 1, got 0"):
    minimax.uniform().init(0)
  weighting = minimax.uniform()
  with pytest.raises(ValueError, match="task_losses must have shape"):
    weighting.update(jnp.ones(3), weighting.init(4))
  with pytest.raises(ValueError, match="min_losses must be a number or have"):
    minimax.famo(min_losses=(1.0, 2.0)).init(3)


def test_extra_inputs_are_asked_for_by_name():
  weighting = minimax.gradnorm()
  assert weighting.needs == ("gradient_norms",)
  state = weighting.init(2)
  with pytest.raises(ValueError, match="needs the extra input gradient_norms"):
    weighting.update(jnp.ones(2), state)
  with pytest.raises(ValueError, match=r"gradient_norms must have shape \(2,"):
    weighting.update(jnp.ones(2), state, gradient_norms=jnp.ones(3))
  assert minimax.famo().accepts == ("next_losses",)
  assert minimax.doremi(1.0).accepts == ("excess_losses",)
  assert minimax.doremi(1.0).needs == minimax.famo().needs == ()
