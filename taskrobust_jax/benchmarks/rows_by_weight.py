"""What is gained when rows follow the weights, at equal cost.

  python -m taskrobust_jax.benchmarks.rows_by_weight [--out=FILE.json]

One small BERT at fixed params, made rows of words, and the gradient
sum_k q_k grad L_k at several weights q of four tasks: with the budget "rows",
and with "rows_by_weight". Over many batches: the trace of the gradient's
covariance, and whether the two means agree. Claims: they do; the variance falls
as the effective batch size (sum w)^2 / sum w^2 of the row weights w = q_k / n_k
grows; a step costs the same (FLOPs, and CPU time in turn). About two minutes on
one core.
"""

from collections.abc import Callable, Sequence
import functools
from typing import Any

from absl import flags
import numpy as np

from taskrobust_jax import program
from taskrobust_jax.benchmarks import measure

WEIGHTS = (
  (0.25, 0.25, 0.25, 0.25),
  (0.7, 0.1, 0.1, 0.1),
  (0.97, 0.01, 0.01, 0.01),
)
NUM_TASKS = 4
NUM_ROWS = 64
LENGTH = 32
VOCABULARY_SIZE = 256
WIDTH = 32
# Words of a task, of every 12; two are of no group.
FREQUENCIES = (4, 3, 2, 1, 2)
NUM_FLIPS = 1999


def main(out: str, rounds: int, batches: int) -> None:
  """Prints a row for each q and writes them all."""
  measure.use_one_thread()
  problem = Problem()
  print(
    "weights              effective rows  variance ratio  gap of the means"
    "        FLOPs   CPU time  (95 % interval)\n"
    "                      rows  by weight  (expected)      chance=1  p",
    flush=True,
  )
  rows = []
  for weights in WEIGHTS:
    row = compare(problem, weights, batches, rounds)
    rows.append(row)
    print(
      f"{' '.join(f'{q:.2f}' for q in weights)}  {row['effective_rows']:5.1f}"
      f"  {row['effective_rows_by_weight']:5.1f}"
      f"      {row['variance']:.3f} ({row['expected_variance']:.3f})"
      f"   {row['gap']:8.2f}  {row['gap_p_value']:.3f}"
      f"      {row['flops']:.4f}  {row['median']:.3f}"
      f"  ({row['low']:.3f}, {row['high']:.3f})",
      flush=True,
    )
  measure.write(
    out,
    rows,
    rows_a_step=NUM_ROWS,
    row_length=LENGTH,
    vocabulary_size=VOCABULARY_SIZE,
    num_layers=2,
    width=WIDTH,
    batches=batches,
    steps_before=Problem.num_steps,
    threads=1,
  )


class Problem:
  """Made rows, a BERT that has begun to learn them, and its gradients."""

  num_steps = 100

  def __init__(self):
    import jax
    import optax

    from taskrobust_jax.models import bert
    from taskrobust_jax.models.functional import functional
    from taskrobust_jax.models.transformer import TransformerOptions

    options = bert.BertOptions(
      VOCABULARY_SIZE,
      LENGTH,
      TransformerOptions(2, WIDTH, 2, 4 * WIDTH, dropout_rate=0.0),
    )
    init, self._apply = functional(lambda rngs: bert.Bert(options, rngs))
    self._gradients = {
      name: jax.jit(self._gradient(name)) for name in ("rows", "rows_by_weight")
    }

    self.params = jax.jit(init)(jax.random.key(0))
    tx = optax.adam(3e-3)
    state = tx.init(self.params)
    update = jax.jit(
      lambda gradients, state, params: _apply_updates(
        tx, gradients, state, params
      )
    )
    equal = np.full(NUM_TASKS, 1 / NUM_TASKS, np.float32)
    for step in range(self.num_steps):
      gradients, _ = self.gradient("rows", made_rows(step), step, equal)
      self.params, state = update(gradients, state, self.params)

  def gradient(
    self, budget: str, batch: Any, seed: int, weights: np.ndarray
  ) -> tuple[Any, Any]:
    """(sum_k q_k grad L_k, counts [K]) at the params."""
    import jax

    return self._gradients[budget](
      self.params, batch, jax.random.key(seed), weights
    )

  @functools.cache  # noqa: B019, there is one Problem.
  def flops(self, budget: str) -> float:
    """Of the compiled gradient."""
    import jax

    inputs = (self.params, made_rows(0), jax.random.key(0))
    weights = np.zeros(NUM_TASKS, np.float32)
    compiled = self._gradients[budget].lower(*inputs, weights).compile()
    return compiled.cost_analysis()["flops"]

  def _gradient(self, budget: str) -> Callable[..., Any]:
    import jax

    from taskrobust_jax.tasks.corruption import Vocabulary
    from taskrobust_jax.tasks.hiding import WordGroups
    from taskrobust_jax.tasks.masked_language import MaskedLanguage

    hiding = WordGroups(
      task_names=tuple(f"task_{k}" for k in range(NUM_TASKS)),
      tag_tasks=np.array([-1, *range(NUM_TASKS), -1], np.int32),
      vocabulary=Vocabulary(VOCABULARY_SIZE, mask_id=4, num_special=5),
      max_predictions=round(0.15 * LENGTH),
    )
    suite = MaskedLanguage(self._apply, hiding, budget)

    def robust_loss(params, batch, rng, weights):
      given = (weights,) if suite.uses_task_weights else ()
      losses, counts = suite.per_task_losses(params, batch, rng, *given)
      return losses @ weights, counts

    return jax.grad(robust_loss, has_aux=True)


def compare(
  problem: Problem,
  weights: Sequence[float],
  num_batches: int,
  rounds: int,
) -> dict[str, Any]:
  """Compares "rows_by_weight" with "rows" at one q.

  Args:
    problem: The model and its rows.
    weights: q.
    num_batches: Batches of which mean and variance are made.
    rounds: Pairs timed.

  Returns:
    `variance`, `flops` and the fields of `measure.Ratio` are ratios rows by
    weight / rows. `gap` is the squared distance of the two mean gradients over
    what chance alone makes of it, `gap_p_value` how often chance makes as much.
  """
  import jax

  weights = np.array(weights, np.float32)

  def flat(budget, batch, seed):
    tree, counts = problem.gradient(budget, batch, seed, weights)
    if not np.all(counts > 0):
      raise RuntimeError("a made batch lacks a task")
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])

  gradients = {"rows": [], "rows_by_weight": []}
  for index in range(num_batches):
    seed = 1000 + index
    for budget, found in gradients.items():
      found.append(flat(budget, made_rows(seed), seed))
  plain, ours = (np.array(found) for found in gradients.values())
  variances = [x.var(0, ddof=1).sum() for x in (plain, ours)]
  gap, p_value = gap_of_means(ours - plain)

  def time_of(budget):
    batch = made_rows(0)
    return lambda: jax.block_until_ready(
      problem.gradient(budget, batch, 0, weights)
    )

  ratio = measure.paired_ratio(
    time_of("rows_by_weight"), time_of("rows"), rounds
  )
  effective = effective_rows(weights, np.full(NUM_TASKS, NUM_ROWS / NUM_TASKS))
  by_weight = np.mean(
    [effective_rows(weights, counts) for counts in row_counts(weights)]
  )
  return {
    "weights": [float(q) for q in weights.round(6)],
    "effective_rows": effective,
    "effective_rows_by_weight": float(by_weight),
    "variance_of_rows": float(variances[0]),
    "variance_of_rows_by_weight": float(variances[1]),
    "variance": float(variances[1] / variances[0]),
    "expected_variance": float(effective / by_weight),
    "squared_mean": float((plain.mean(0) ** 2).sum()),
    "squared_gap": float(((ours - plain).mean(0) ** 2).sum()),
    "gap": gap,
    "gap_p_value": p_value,
    "flops": problem.flops("rows_by_weight") / problem.flops("rows"),
    **ratio._asdict(),
  }


def effective_rows(weights: np.ndarray, counts: np.ndarray) -> float:
  """(sum w)^2 / sum w^2 over rows of weight w = q_k / n_k.

  Args:
    weights: [K] q, on the simplex.
    counts: [K] n, rows of each task, all > 0.

  Returns:
    In (0, B]; B if all rows weigh the same.
  """
  weights = np.asarray(weights, np.float64)
  return float(weights.sum() ** 2 / (weights**2 / counts).sum())


def gap_of_means(differences: np.ndarray, seed: int = 0) -> tuple[float, float]:
  """Whether the mean of paired differences is that of chance.

  Args:
    differences: [N, P], from N independent pairs.
    seed: Of the signs that are flipped.

  Returns:
    (squared length of the mean / its expectation if the true mean is 0, share
    of `NUM_FLIPS` random flips of signs that make it as long).
  """
  number = len(differences)
  products = differences.astype(np.float64) @ differences.T
  squared = products.sum() / number**2
  # Off a true mean of 0: E|mean|^2 = trace of the covariance / N.
  trace = (np.trace(products) - number * squared) / (number - 1)
  signs = np.random.default_rng(seed).choice([-1.0, 1.0], (NUM_FLIPS, number))
  flipped = np.einsum("fi,ij,fj->f", signs, products, signs, optimize=True)
  as_long = (flipped >= products.sum()).sum()
  return float(squared / (trace / number)), (1 + as_long) / (1 + NUM_FLIPS)


def row_counts(weights: np.ndarray) -> np.ndarray:
  """[200, K], rows of each task in as many draws."""
  import jax

  from taskrobust_jax.tasks import rows_by_weight

  least = rows_by_weight.default_min_rows(NUM_ROWS, NUM_TASKS)
  draw = lambda key: rows_by_weight.assign_rows(key, weights, NUM_ROWS, least)
  tasks = jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(0), 200))
  return (np.asarray(tasks)[..., None] == np.arange(NUM_TASKS)).sum(1)


def made_rows(seed: int) -> dict[str, np.ndarray]:
  """A batch of one-piece words; a word tells of the one before it.

  Tasks have vocabularies of their own, of 50 words used as in Zipf's law, and
  differ in how often the word before decides.
  """
  random = np.random.default_rng(seed)
  shape = (NUM_ROWS, LENGTH)
  shares = np.array(FREQUENCIES) / sum(FREQUENCIES)
  tags = random.choice(len(FREQUENCIES), p=shares, size=shape)
  tags[:, :NUM_TASKS] = np.arange(NUM_TASKS)  # No task is ever absent.
  zipf = 1 / np.arange(1, 51)
  words = random.choice(50, p=zipf / zipf.sum(), size=shape)
  follows = random.random(shape) < np.array([0.1, 0.4, 0.6, 0.9, 0.5])[tags]
  for place in range(1, LENGTH):
    told = (7 * words[:, place - 1] + 3) % 50
    words[:, place] = np.where(follows[:, place], told, words[:, place])
  batch = {
    "tokens": 5 + 50 * tags + words,
    "segment_ids": np.ones(shape),
    "positions": np.tile(np.arange(LENGTH), (NUM_ROWS, 1)),
    "word_starts": np.ones(shape),
    "tags": 1 + tags,
  }
  return {name: value.astype(np.int32) for name, value in batch.items()}


def _apply_updates(tx, gradients, state, params):
  import optax

  updates, state = tx.update(gradients, state, params)
  return optax.apply_updates(params, updates), state


if __name__ == "__main__":
  _OUT = flags.DEFINE_string(
    "out", "notebooks/results/rows_by_weight.json", "Where the JSON goes."
  )
  _ROUNDS = flags.DEFINE_integer("rounds", 51, "Pairs timed.", lower_bound=6)
  _BATCHES = flags.DEFINE_integer("batches", 300, "Batches.", lower_bound=20)
  program.run(lambda: main(_OUT.value, _ROUNDS.value, _BATCHES.value))
