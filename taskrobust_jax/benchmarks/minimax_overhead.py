"""What minimax costs beside plain averaging, at a fixed number of examples.

  python -m taskrobust_jax.benchmarks.minimax_overhead [--out=FILE.json]

Two train steps of one small BERT and one suite of K tasks: the minimax step,
and the same with the mean of the losses and `jax.grad` in the adversary's
place. Claims: FLOPs and bytes of the compiled programs are equal within 0.1 %,
and the upper end of the interval of the CPU time ratio is at most 1.02, for
every K.

Then the update of every strategy by itself, with its dispatch, as a share of
the plain step at the same K (in a step it is part of the one program, so this
is an upper bound): at most 2 %. `gradnorm` asks for a gradient a task, so its
whole step is compared too. `minimax_overhead_torch` measures others' code.
"""

from typing import Any

from absl import flags

from taskrobust_jax import program
from taskrobust_jax.benchmarks import measure

NUM_TASKS = (1, 2, 4, 8, 16, 64)
NUM_ROWS = 64
LENGTH = 32
VOCABULARY_SIZE = 2048
WIDTH = 128


def main(out: str, rounds: int) -> None:
  """Prints a row for each K, then one for each strategy; writes them all."""
  measure.use_one_thread()
  rows = []
  print(
    "  K  strategy          FLOPs     bytes   CPU time  (95 % interval)     "
    "step",
    flush=True,
  )
  for name, numbers, pairs in (
    ("mirror_ascent", NUM_TASKS, rounds),
    ("gradnorm", (4, 16, 64), rounds // 3),
  ):
    for num_tasks in numbers:
      row = compare(num_tasks, pairs, name)
      rows.append(row)
      print(
        f"{row['num_tasks']:>3}  {name:<14} {row['flops']:.6f}"
        f"  {row['bytes']:.6f}    {row['median']:.4f}  ({row['low']:.4f}, "
        f"{row['high']:.4f})  {1e3 * row['base_seconds']:6.1f} ms",
        flush=True,
      )
  shares = update_shares(
    {row["num_tasks"]: row["base_seconds"] for row in rows}
  )
  measure.write(
    out,
    rows,
    update_shares=shares,
    rows_a_step=NUM_ROWS,
    row_length=LENGTH,
    vocabulary_size=VOCABULARY_SIZE,
    num_layers=2,
    width=WIDTH,
    threads=1,
  )


def update_shares(
  step_seconds: dict[int, float],
) -> dict[str, dict[int, float]]:
  """Seconds of each strategy's update by those of a plain step, for each K.

  Args:
    step_seconds: K -> seconds of the plain step.

  Returns:
    Strategy -> K -> share; also printed.
  """
  import inspect

  from taskrobust_jax import minimax

  shares = {}
  heads = "".join(f"{f'K={num_tasks}':>9}" for num_tasks in step_seconds)
  print(f"\n{'update / plain step':<26}{heads}")
  for name in minimax.STRATEGIES:
    required = {
      k: 1.0
      for k, default in minimax.signature(name).items()
      if default is inspect.Parameter.empty
    }
    weighting = minimax.make(name, **required)
    shares[name] = {
      k: update_seconds(weighting, k) / seconds
      for k, seconds in step_seconds.items()
    }
    cells = "".join(f"{share:>9.3%}" for share in shares[name].values())
    print(f"{name:<26}{cells}", flush=True)
  return shares


def update_seconds(weighting, num_tasks: int, rounds: int = 200) -> float:
  """Median CPU seconds of one update, as a program of its own."""
  import time

  import jax
  import numpy as np

  random = np.random.default_rng(0)
  losses = jax.numpy.asarray(random.uniform(1, 5, (8, num_tasks)), "float32")
  extra = {"step": 3, "gradient_norms": losses[0]}
  extra = {name: extra[name] for name in weighting.needs}
  update = jax.jit(lambda x, state: weighting.update(x, state, **extra))
  state, seconds = weighting.init(num_tasks), []
  for index in range(rounds + 10):
    began = time.process_time()
    coefficients, state = update(losses[index % 8], state)
    jax.block_until_ready((coefficients, state))
    seconds.append(time.process_time() - began)
  return float(np.median(seconds[10:]))


def compare(
  num_tasks: int, rounds: int, strategy: str = "mirror_ascent"
) -> dict[str, Any]:
  """Ratios minimax / plain averaging for one K and one strategy."""
  return compare_steps(problem(num_tasks), rounds, strategy)


def compare_steps(
  work: Any, rounds: int, strategy: str = "mirror_ascent"
) -> dict[str, Any]:
  """The same for any `models.Workload`."""
  from taskrobust_jax.benchmarks import models

  compiled, run = models.compiled_step(
    *models.minimax_step(work.suite, strategy), work
  )
  base, run_base = models.compiled_step(*models.plain_step(work.suite), work)
  cost, base_cost = compiled.cost_analysis(), base.cost_analysis()
  ratio = measure.paired_ratio(run, run_base, rounds)
  return {
    "num_tasks": len(work.suite.task_names),
    "strategy": strategy,
    "flops": cost["flops"] / base_cost["flops"],
    "bytes": cost["bytes accessed"] / base_cost["bytes accessed"],
    **ratio._asdict(),
  }


def problem(num_tasks: int):
  """A `models.Workload` of random words, one tag a task."""
  import jax
  import numpy as np

  from taskrobust_jax.benchmarks import models
  from taskrobust_jax.models import bert
  from taskrobust_jax.models.functional import functional
  from taskrobust_jax.models.transformer import TransformerOptions
  from taskrobust_jax.tasks.corruption import Vocabulary
  from taskrobust_jax.tasks.hiding import WordGroups
  from taskrobust_jax.tasks.masked_language import MaskedLanguage

  options = bert.BertOptions(
    VOCABULARY_SIZE,
    LENGTH,
    TransformerOptions(2, WIDTH, 2, 4 * WIDTH, dropout_rate=0.0),
  )
  init_params, apply = functional(lambda rngs: bert.Bert(options, rngs))
  random = np.random.default_rng(0)
  shape = (NUM_ROWS, LENGTH)
  batch = {
    "tokens": random.integers(5, VOCABULARY_SIZE, shape),
    "segment_ids": np.ones(shape),
    "positions": np.tile(np.arange(LENGTH), (NUM_ROWS, 1)),
    "word_starts": np.ones(shape),
    "tags": random.integers(0, num_tasks, shape),
  }
  hiding = WordGroups(
    task_names=tuple(f"task_{k}" for k in range(num_tasks)),
    tag_tasks=np.arange(num_tasks, dtype=np.int32),
    vocabulary=Vocabulary(VOCABULARY_SIZE, mask_id=4, num_special=5),
    max_predictions=round(0.15 * LENGTH),
  )
  suite = MaskedLanguage(apply, hiding)
  batch = jax.tree.map(lambda x: x.astype(np.int32), batch)
  return models.Workload(
    init_params,
    suite,
    models.on_devices(batch),
    NUM_ROWS,
    NUM_ROWS * LENGTH,
    LENGTH,
  )


if __name__ == "__main__":
  _OUT = flags.DEFINE_string(
    "out", "notebooks/results/minimax_overhead.json", "Where the JSON goes."
  )
  _ROUNDS = flags.DEFINE_integer("rounds", 51, "Pairs timed.", lower_bound=51)
  program.run(lambda: main(_OUT.value, _ROUNDS.value))
