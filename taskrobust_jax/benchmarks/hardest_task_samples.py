"""How many samples the hardest downstream task needs, after two pre-trainings.

  python -m taskrobust_jax.benchmarks.hardest_task_samples [--out=FOLDER]

A linear model of a shared representation, in which everything has a closed
form. There are d features x ~ N(0, I) and K <= d tasks y = theta_k . x +
sigma e with theta_k = s_k u_k, u_k orthonormal. Pre-training on the expected
losses finds r < K directions, an orthonormal B [d, r], that all tasks share; P
is the projection onto them. With its best head, task k has the excess loss

  a_k = |theta_k - P theta_k|^2 = s_k^2 (1 - p_k),   p_k = u_k . P u_k

where p_k in [0, 1] and sum_k p_k <= r, and every such p belongs to some P
(Schur and Horn).

- Averaging minimises sum_k s_k^2 (1 - p_k): p_k = 1 for the r strongest tasks,
  0 for the others. The strongest of those that are dropped has a_k = s_k^2.
- Minimax levels a_k = c. From sum_k (1 - c / s_k^2) = r:

    c = (K - r) / sum_k 1 / s_k^2,   if c <= min_k s_k^2

Downstream, task k comes with n samples. Least squares on the r features B'x:
what they miss is noise of variance a_k, independent of them, so the expected
excess risk is (the mean of an inverse Wishart)

  a_k + r (sigma^2 + a_k) / (n - r - 1)

and on all d features, leaving the representation, d sigma^2 / (n - d - 1). Risk
epsilon therefore takes

  n_k(epsilon) = min( r + 1 + r (sigma^2 + a_k) / (epsilon - a_k) if a_k <
                      epsilon,   d + 1 + d sigma^2 / epsilon )

samples, the better of the two ways; the hardest task takes max_k n_k(epsilon).

So minimax helps the hardest task if c < epsilon <= s^2 of a dropped task:
averaging leaves it no use of the representation. It does not help if r >= K, or
if the tasks lie in r dimensions: both pre-trainings then lose nothing. And it
does not help if epsilon <= c: every task then has to leave the representation,
where averaging spares the strongest r of them.

This is derived here. The paper has a result of this kind, whose statement could
not be read.
"""

import functools
import math
import os
import time
from typing import Any, NamedTuple

from absl import flags
import jax
import jax.numpy as jnp
import numpy as np
import optax

from taskrobust_jax import minimax, program
from taskrobust_jax.benchmarks import measure

NUM_FEATURES = 24  # d
NOISE = 1.0  # sigma^2
STRENGTHS = (4.0, 3.0, 2.5, 2.0, 1.5, 1.0)  # s_k^2
STRATEGIES = {
  "averaging": minimax.uniform(),
  "minimax": minimax.mirror_ascent(0.2),
}


SIZES = tuple(dict.fromkeys(np.geomspace(9, 180, 24).astype(int).tolist()))


class Case(NamedTuple):
  """What is asked.

  Attributes:
    name: For tables.
    rank: r.
    risk: epsilon.
  """

  name: str
  rank: int
  risk: float


CASES = (
  Case("one direction is missing", 5, 0.6),
  Case("none is missing", 6, 0.6),
  Case("the risk is too small", 5, 0.25),
)


def main(out: str | None) -> None:
  """Prints a table; writes it into the folder `out`."""
  began = time.process_time()
  rows = []
  print(
    "case                      pre-training  hardest task needs    predicted"
    "   mean of tasks    predicted",
    flush=True,
  )
  with jax.default_device(jax.devices("cpu")[0]):
    for case in CASES:
      for strategy in STRATEGIES:
        row = compare(case, strategy)
        rows.append(row)
        print(
          f"{case.name:25} {strategy:12}  {row['hardest']:5.1f}"
          f" ({row['low']:5.1f}, {row['high']:5.1f})  {row['predicted']:8.1f}"
          f"   {row['mean']:8.1f}       {row['predicted_mean']:8.1f}",
          flush=True,
        )
  seconds = time.process_time() - began
  print(f"in brackets: 90 % of the seeds\nCPU time: {seconds:.0f} s")
  if out:
    measure.write(
      os.path.join(out, "hardest_task_samples.json"),
      rows,
      num_features=NUM_FEATURES,
      noise=NOISE,
      strengths=STRENGTHS,
      cpu_seconds=round(seconds, 1),
    )


def compare(
  case: Case, strategy: str, num_seeds: int = 20, num_draws: int = 100
) -> dict[str, Any]:
  """Measures the samples that the hardest task needs, and predicts them.

  Args:
    case: What is asked.
    strategy: A key of `STRATEGIES`.
    num_seeds: Of the tasks' directions, the pre-training, the samples.
    num_draws: Downstream data sets a seed, task and n.

  Returns:
    A row: `hardest`, the mean over seeds of n_K, K the weakest task, for which
    both pre-trainings need most; `low` and `high`, its 5 and 95 % quantiles;
    `mean`, that of the mean over tasks; both predicted; `excess_error`, the
    largest difference of an a_k from the one predicted.
  """
  excess, risks = measure_risks(strategy, case.rank, num_seeds, num_draws)
  predicted_excess = predict_excess(strategy, case.rank)
  predicted = [
    predict_samples(excess, case.rank, case.risk) for excess in predicted_excess
  ]
  needed = np.array([samples_needed(of_seed, case.risk) for of_seed in risks])
  # The weakest task, by name: the largest of six noisy numbers would be biased.
  hardest = needed[:, -1]
  return {
    "case": case.name,
    "rank": case.rank,
    "risk": case.risk,
    "strategy": strategy,
    "hardest": float(hardest.mean()),
    "low": float(np.quantile(hardest, 0.05)),
    "high": float(np.quantile(hardest, 0.95)),
    "predicted": max(predicted),
    "mean": float(needed.mean()),
    "predicted_mean": float(np.mean(predicted)),
    "excess_error": float(np.abs(excess - predicted_excess).max()),
    "num_seeds": num_seeds,
  }


def predict_excess(strategy: str, rank: int) -> list[float]:
  """a_k of every task after pre-training, in closed form.

  Raises:
    ArithmeticError: If minimax would give a task up (c > min_k s_k^2): not
      the case for these strengths.
  """
  if strategy == "averaging":
    last = sorted(STRENGTHS, reverse=True)[:rank]
    return [0.0 if s in last else s for s in STRENGTHS]
  level = max(len(STRENGTHS) - rank, 0) / sum(1 / s for s in STRENGTHS)
  if level > min(STRENGTHS):
    raise ArithmeticError(f"minimax gives tasks up: {level} > {STRENGTHS}")
  return [level] * len(STRENGTHS)


def predict_samples(excess: float, rank: int, risk: float) -> float:
  """n_k(epsilon) in closed form; see the module's docstring."""
  within = math.inf
  if excess < risk:
    within = rank + 1 + rank * (NOISE + excess) / (risk - excess)
  return min(within, NUM_FEATURES + 1 + NUM_FEATURES * NOISE / risk)


def make_targets(num_seeds: int) -> np.ndarray:
  """theta [seeds, K, d], in random orthonormal directions."""
  shape = (num_seeds, NUM_FEATURES, NUM_FEATURES)
  turns = np.linalg.qr(np.random.default_rng(0).normal(size=shape))[0]
  lengths = np.sqrt(STRENGTHS)
  return lengths[:, None] * turns[:, : len(lengths)]


def pretrain(
  weighting: minimax.TaskWeighting,
  targets: np.ndarray,
  rank: int,
  num_steps: int = 5000,
  learning_rate: float = 0.02,
) -> np.ndarray:
  """Descends the expected excess losses |theta_k - B v_k|^2 in B and v.

  Args:
    weighting: The adversary.
    targets: [seeds, K, d].
    rank: r.
    num_steps: Of gradient descent.
    learning_rate: Of it.

  Returns:
    Orthonormal bases [seeds, d, r] of what B spans.
  """
  _, num_tasks, num_features = targets.shape
  tx = optax.chain(
    minimax.ascend(weighting, num_tasks), optax.sgd(learning_rate)
  )

  def run(target, key):
    def losses_of(params):
      basis, heads = params
      return jnp.square(target - heads @ basis.T).sum(1)

    def step(_, carry):
      params, state = carry
      losses, pull_back = jax.vjp(losses_of, params)
      updates, state = tx.update(pull_back, state, params, task_losses=losses)
      return optax.apply_updates(params, updates), state

    of_basis, of_heads = jax.random.split(key)
    params = (
      0.3 * jax.random.normal(of_basis, (num_features, rank)),
      0.3 * jax.random.normal(of_heads, (num_tasks, rank)),
    )
    carry = params, tx.init(params)
    return jax.lax.fori_loop(0, num_steps, step, carry)[0][0]

  keys = jax.random.split(jax.random.key(0), len(targets))
  bases = jax.jit(jax.vmap(run))(jnp.asarray(targets, jnp.float32), keys)
  return np.linalg.qr(np.asarray(bases, np.float64))[0]


@functools.lru_cache
def measure_risks(
  strategy: str, rank: int, num_seeds: int, num_draws: int
) -> tuple[np.ndarray, np.ndarray]:
  """Pre-trains, and fits the tasks on samples of each of `SIZES`.

  Args:
    strategy: A key of `STRATEGIES`.
    rank: r.
    num_seeds: Of the tasks' directions, the pre-training, the samples.
    num_draws: Data sets a seed and n.

  Returns:
    The excess losses a_k [seeds, K], and the mean excess risks [seeds, sizes,
    2, K] of least squares on the representation and on all features.
  """
  targets = make_targets(num_seeds)
  bases = pretrain(STRATEGIES[strategy], targets, rank)
  excess, risks = [], []
  for seed, (target, basis) in enumerate(zip(targets, bases, strict=True)):
    excess.append(np.square(target - target @ basis @ basis.T).sum(1))
    random = np.random.default_rng([1, seed])
    of_seed = np.full((len(SIZES), 2, len(target)), np.inf)
    for i, n in enumerate(SIZES):
      features = random.normal(size=(num_draws, n, NUM_FEATURES))
      noise = random.normal(size=(num_draws, n, len(target)))
      labels = features @ target.T + math.sqrt(NOISE) * noise
      within = basis @ _least_squares(features @ basis, labels)
      of_seed[i, 0] = _mean_risk(within, target)
      if n > NUM_FEATURES + 2:
        of_seed[i, 1] = _mean_risk(_least_squares(features, labels), target)
    risks.append(of_seed)
  return np.array(excess), np.array(risks)


def samples_needed(risks: np.ndarray, risk: float) -> np.ndarray:
  """The n [K] at which the better of two ways falls to `risk`.

  Args:
    risks: [sizes, 2, K], over `SIZES`; between them log-log.
    risk: epsilon.

  Returns:
    [K]; inf where even the largest size does not get there.
  """
  return np.array(
    [
      min(_first_crossing(risks[:, way, k], risk) for way in (0, 1))
      for k in range(risks.shape[2])
    ]
  )


def _least_squares(features, labels):
  """[draws, features, K] from [draws, n, features] and [draws, n, K]."""
  transposed = features.transpose(0, 2, 1)
  return np.linalg.solve(transposed @ features, transposed @ labels)


def _mean_risk(found, target):
  return np.square(found - target.T).sum(1).mean(0)


def _first_crossing(risks, risk):
  """n at which risks over `SIZES` first fall to `risk`; log-log in between."""
  (below,) = np.nonzero(risks <= risk)
  if not len(below):
    return math.inf
  i = below[0]
  if i == 0 or math.isinf(risks[i - 1]):
    return float(SIZES[i])
  share = math.log(risks[i - 1] / risk) / math.log(risks[i - 1] / risks[i])
  return float(SIZES[i - 1] * (SIZES[i] / SIZES[i - 1]) ** share)


if __name__ == "__main__":
  _OUT = flags.DEFINE_string("out", None, "Folder of the JSON.")
  program.run(lambda: main(_OUT.value))
