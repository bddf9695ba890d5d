import functools
import importlib.util

import jax
import numpy as np
import pytest

from taskrobust_jax.benchmarks import convergence
from taskrobust_jax.benchmarks import convergence_effects as effects
from taskrobust_jax.benchmarks import convergence_methods as methods
from taskrobust_jax.benchmarks import convergence_problems as problems
from taskrobust_jax.benchmarks import convergence_saddles as saddles

NUM_STEPS = (16, 64, 256, 1024, 4096)
MAKERS = {
  "matrix game": problems.matrix_game,
  "piecewise linear": problems.piecewise_linear,
  "quadratics": problems.quadratics,
  "breast_cancer": lambda: problems.logistic("breast_cancer"),
  "digits": lambda: problems.logistic("digits"),
}
PAIRS = [
  (problem, method)
  for problem in MAKERS
  for method in methods.METHODS
  if problem != "piecewise linear" or methods.METHODS[method].takes_kinks
]


@functools.cache
def make(name):
  if name in ("breast_cancer", "digits"):
    pytest.importorskip("sklearn")
  return MAKERS[name]()


def steps_of(name):
  return NUM_STEPS[:-1] if name in ("breast_cancer", "digits") else NUM_STEPS


@functools.cache
def measured(name, method):
  return np.array(
    methods.measure(make(name), methods.METHODS[method], steps_of(name))
  )


def points_of(problem, num_points=200):
  """Points all over the set, most of them at its edge."""
  random = np.random.default_rng(0)
  for _ in range(num_points):
    away = random.normal(size=len(problem.start))
    away *= random.choice([0.1, 1.0, 5.0]) / np.linalg.norm(away)
    yield problem.project(problem.start + problem.radius * away, np)


@pytest.mark.parametrize("name", MAKERS)
def test_the_value_is_certified(name):
  problem = make(name)
  solution = problem.solution
  assert abs(solution.upper - solution.lower) < 1e-10
  assert solution.upper == problem.losses(solution.params, np).max()
  assert solution.task_weights.min() >= 0
  assert solution.task_weights.sum() == pytest.approx(1, abs=1e-12)
  inside = problem.project(solution.params, np)
  np.testing.assert_allclose(inside, solution.params, atol=1e-12)
  # No point of the set is below it, nor is a small step from the solution.
  assert min(problem.gap(x) for x in points_of(problem)) > 0
  for x in points_of(problem):
    near = solution.params + 1e-3 * (x - solution.params)
    assert problem.gap(near) > -1e-12


@pytest.mark.parametrize("name", MAKERS)
def test_the_constants_hold_on_the_set(name):
  problem = make(name)
  points = np.stack(list(points_of(problem, 60)))
  losses = lambda x: problem.losses(x, jax.numpy)
  values = np.asarray(jax.vmap(losses)(points))
  gradients = np.asarray(jax.jit(jax.vmap(jax.jacobian(losses)))(points))
  if name == "matrix game":  # Its points move within the simplex.
    gradients = gradients - gradients.mean(2, keepdims=True)

  lengths = np.linalg.norm(gradients, axis=2).max()
  ranges = np.ptp(values, axis=1).max()
  reach = np.linalg.norm(points - problem.start, axis=1).max()
  assert lengths <= problem.lipschitz * (1 + 1e-5)
  assert ranges <= problem.loss_range * (1 + 1e-5)
  assert reach <= problem.radius * (1 + 1e-5)
  # And they are of the right size: a bound from them says something.
  assert lengths > 0.2 * problem.lipschitz
  assert reach > 0.5 * problem.radius
  if np.isfinite(problem.smoothness):
    apart = np.linalg.norm(points[1:] - points[:-1], axis=1)
    change = np.linalg.norm(gradients[1:] - gradients[:-1], axis=2).max(1)
    assert (change <= problem.smoothness * apart * (1 + 1e-4) + 1e-5).all()


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_every_gap_lies_under_its_bound(name, method):
  gaps, bounds = measured(name, method).T
  assert (gaps <= bounds).all()
  assert gaps.min() > 1e-6  # Above what float32 hides.
  # The bound says something: at the end it is below the gap at the start.
  if method not in ("mirror ascent", "smoothed maximum"):
    problem = make(name)
    assert bounds[-1] < 0.3 * problem.gap(problem.start)


@pytest.mark.parametrize("name", MAKERS)
def test_the_regret_of_the_weights_lies_under_its_certificate(name):
  regret, bound = methods.measure_regret(make(name), 256)
  assert 0 < regret <= bound


@pytest.mark.parametrize(
  ("name", "method", "rate", "tolerance"),
  [
    ("matrix game", "mirror ascent", -0.5, 0.15),
    ("piecewise linear", "mirror ascent", -0.5, 0.15),
    ("matrix game", "optimistic", -1.0, 0.1),
    ("matrix game", "mirror-prox", -1.0, 0.1),
    ("quadratics", "optimistic", -1.0, 0.1),
    ("quadratics", "mirror-prox", -1.0, 0.1),
    ("matrix game", "smoothed maximum", -0.5, 0.1),
    ("matrix game", "accelerated", -1.0, 0.1),
  ],
)
def test_gaps_fall_at_the_rate_of_the_bound(name, method, rate, tolerance):
  assert methods.METHODS[method].rate == rate
  late = [
    (steps, gap)
    for steps, (gap, _) in zip(NUM_STEPS, measured(name, method))
    if steps >= convergence.FIRST_OF_SLOPE
  ]
  assert abs(methods.slope(*zip(*late)) - rate) <= tolerance


@pytest.mark.parametrize("name", ["quadratics", "matrix game"])
def test_the_bound_is_the_one_that_is_derived(name):
  problem = make(name)
  radius, lipschitz, smoothness = (
    problem.radius,
    problem.lipschitz,
    problem.smoothness,
  )
  root = np.sqrt(np.log(problem.num_tasks))
  slack = smoothness * radius**2
  product = lipschitz * radius
  expected = {
    "smoothed maximum": slack / 200 + product * root * np.sqrt(0.02),
    "accelerated": 2 * slack / 101**2 + 8**0.5 * product * root / 101,
    "mirror ascent": product / 10 + problem.loss_range * root / 200**0.5,
    "optimistic": 2 * (slack + 2**0.5 * product * root) / 100,
    "mirror-prox": (slack + 2**0.5 * product * root) / 100,
  }
  for method, bound in expected.items():
    plan = methods.METHODS[method].plan(problem, 100)
    assert plan.bound == pytest.approx(bound, rel=1e-9)


def test_noise_shifts_the_settled_point_as_predicted():
  rows = {shown: effects.noise_bias(32, shown) for shown in effects.SHOWN}
  same = rows["same batch"]
  assert same["shift"] < -15 * same["error"]
  assert same["shift"] == pytest.approx(same["predicted"], rel=0.2)
  # The weights of the step before leave the curvature term, an average both
  # but little; together they leave nothing that could be measured.
  assert 0 < rows["weights of the step before"]["shift"] < -same["shift"] / 3
  assert abs(rows["ema"]["shift"]) < -same["shift"] / 4
  both = rows["ema, weights of the step before"]
  assert abs(both["shift"]) < 3 * both["error"] < -same["shift"] / 8


def test_the_bias_of_noise_falls_like_one_over_the_batch():
  sizes = (32, 128)
  shifts = [-effects.noise_bias(b, "same batch")["shift"] for b in sizes]
  assert -1.2 < methods.slope(sizes, shifts) < -0.8


def test_the_bias_of_the_temperature_lies_under_its_bound():
  rows = [effects.temperature_bias(t) for t in (None, 10.0, 1.0, 0.1, 0.01)]
  excess = [row["excess"] for row in rows]
  assert excess == sorted(excess, reverse=True)
  assert excess[-1] > 0
  for row in rows[1:]:
    assert row["excess"] <= row["bound"]
    assert row["bound"] == pytest.approx(row["temperature"] * np.log(4))


@pytest.mark.parametrize("through_softmax", [False, True])
def test_only_without_the_gradient_of_the_softmax_is_minimax_reached(
  through_softmax,
):
  row = effects.through_the_softmax(through_softmax)
  if through_softmax:
    assert row["least_distance"] > 39
    assert row["excess"] > 7.5 > 10 * row["bound"]
    # Held where h(u) = u / (1 + e^u) is near its largest value.
    assert row["losses"][0] - row["losses"][1] == pytest.approx(1.278, abs=0.4)
  else:
    assert row["least_distance"] < 1
    assert row["excess"] < 0.01 < row["bound"]


def test_the_saddle_of_two_parabolas():
  def losses(x, xp):
    return xp.stack([4 * (x[0] - 1) ** 2, (x[0] + 1) ** 2])

  def derivatives(x):
    gradients = np.array([[8 * (x[0] - 1)], [2 * (x[0] + 1)]])
    return losses(x, np), gradients, np.array([[[8.0]], [[2.0]]])

  smooth = saddles.Smooth(losses, derivatives, 2.0, ())
  found = saddles.solve_smooth(smooth, np.zeros(1))
  assert found.params[0] == pytest.approx(1 / 3, abs=1e-12)
  np.testing.assert_allclose(found.task_weights, [1 / 3, 2 / 3], atol=1e-12)
  assert found.lower == pytest.approx(16 / 9, abs=1e-12)


@pytest.mark.ci
def test_the_program_writes_tables_and_a_picture(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(convergence, "NUM_STEPS", (16, 256, 512))
  monkeypatch.setattr(convergence, "TEMPERATURES", (None, 1.0, 0.3, 0.1))
  monkeypatch.setattr(convergence, "BATCH_SIZES", (32,))
  monkeypatch.setattr(effects, "SHOWN", {"ema": effects.SHOWN["ema"]})
  for name, steps in (("through_the_softmax", 10), ("noise_bias", 64)):
    short = functools.partial(getattr(effects, name), num_steps=steps)
    monkeypatch.setattr(effects, name, short)
  monkeypatch.setattr(
    convergence, "make_problems", lambda: [make("matrix game")]
  )
  convergence.main(str(tmp_path))
  assert "not under its bound: {'table': 'gap'" not in capsys.readouterr().out
  assert (tmp_path / "convergence.json").stat().st_size > 1000
  assert (tmp_path / "convergence.png").read_bytes()[:4] == b"\x89PNG"


def test_a_broken_bound_is_a_fault(monkeypatch, capsys):
  row = {"table": "gap", "gap": 2.0, "bound": 1.0, "of_bound": 2.0}
  monkeypatch.setattr(convergence, "make_problems", list)
  monkeypatch.setattr(convergence, "measure_gaps", lambda *_: [row])
  monkeypatch.setattr(convergence, "measure_effects", list)
  assert convergence.main(None) != 0
  assert "not under its bound" in capsys.readouterr().out


def test_logistic_regressions_need_scikit_learn(monkeypatch, capsys):
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  names = [problem.name for problem in convergence.make_problems()]
  assert names == ["matrix game", "piecewise linear", "quadratics"]
  assert "scikit-learn is not installed" in capsys.readouterr().out
