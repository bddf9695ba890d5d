"""What minimax costs beside plain averaging, at a fixed number of examples.

  python -m taskrobust_jax.benchmarks.minimax_overhead [--out=FILE.json]

Two train steps of one small BERT and one suite of K tasks: the minimax step,
and the same with the mean of the losses and `jax.grad` in the adversary's
place. Claims: FLOPs and bytes of the compiled programs are equal within 0.1 %,
and the upper end of the interval of the CPU time ratio is at most 1.02, for
every K. About eight minutes on one core.
"""

from absl import flags

from taskrobust_jax import program
from taskrobust_jax.benchmarks import measure

_OUT = flags.DEFINE_string(
  "out", "notebooks/results/minimax_overhead.json", "Where the JSON goes."
)
_ROUNDS = flags.DEFINE_integer("rounds", 101, "Pairs timed.", lower_bound=51)

NUM_TASKS = (1, 2, 4, 8, 16)
NUM_ROWS = 32
LENGTH = 64
VOCABULARY_SIZE = 2048
WIDTH = 128


def main() -> None:
  """Prints a row for each K and writes them all."""
  measure.use_one_thread()
  rows = []
  print(
    "  K     FLOPs     bytes   CPU time  (95 % interval)     step",
    flush=True,
  )
  for num_tasks in NUM_TASKS:
    row = compare(num_tasks, _ROUNDS.value)
    rows.append(row)
    print(
      f"{row['num_tasks']:>3}  {row['flops']:.6f}  {row['bytes']:.6f}"
      f"    {row['median']:.4f}  ({row['low']:.4f}, {row['high']:.4f})"
      f"  {1e3 * row['base_seconds']:6.1f} ms",
      flush=True,
    )
  measure.write(
    _OUT.value,
    rows,
    rows_a_step=NUM_ROWS,
    row_length=LENGTH,
    vocabulary_size=VOCABULARY_SIZE,
    num_layers=2,
    width=WIDTH,
    threads=1,
  )


def compare(num_tasks: int, rounds: int) -> dict[str, float]:
  """Ratios minimax / plain averaging for one K."""
  import jax
  import optax

  from taskrobust_jax import minimax
  from taskrobust_jax.train import optimizer, sharding, state, step

  init_params, suite, batch = problem(num_tasks)
  descent = {"b1": 0.9, "b2": 0.999, "eps": 1e-6, "weight_decay": 0.01}

  def make_optimizer(first_link):
    return optimizer.make_optimizer(
      first_link, lambda step: 1e-4, clip_norm=1.0, **descent
    )

  minimax_tx = make_optimizer(
    minimax.ascend(minimax.mirror_ascent(0.1), num_tasks)
  )
  plain_tx = make_optimizer(optax.identity())

  def plain_step(now, batch):
    rng = jax.random.fold_in(state.stream("train", 0), now.step)

    def mean_loss(params):
      losses, counts = suite.per_task_losses(params, batch, rng)
      return losses.mean(), (losses, counts)

    gradients, told = jax.grad(mean_loss, has_aux=True)(now.params)
    updates, opt_state = plain_tx.update(
      gradients, now.opt_state, now.params, step=now.step
    )
    params = optax.apply_updates(now.params, updates)
    return state.TrainState(now.step + 1, params, opt_state), told

  mesh = sharding.make_mesh()
  batch = jax.device_put(batch, sharding.batch_sharding(mesh))

  def prepare(train_step, tx):
    """(cost of the compiled program, a function that runs one step)."""
    now = jax.jit(lambda: state.initial_state(init_params, tx, 0))()
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), now)
    compiled = (
      sharding.pjit_train_step(train_step, mesh, shapes)
      .lower(shapes, batch)
      .compile()
    )
    now = jax.device_put(now, sharding.state_sharding(mesh, now))

    def run():
      nonlocal now
      now, told = compiled(now, batch)
      jax.block_until_ready((now, told))

    return compiled.cost_analysis(), run

  cost, run = prepare(step.make_train_step(suite, minimax_tx, 0), minimax_tx)
  base_cost, run_base = prepare(plain_step, plain_tx)
  ratio = measure.paired_ratio(run, run_base, rounds)
  return {
    "num_tasks": num_tasks,
    "flops": cost["flops"] / base_cost["flops"],
    "bytes": cost["bytes accessed"] / base_cost["bytes accessed"],
    **ratio._asdict(),
  }


def problem(num_tasks: int):
  """(init_params, suite, batch) of random words, one tag a task."""
  import jax
  import numpy as np

  from taskrobust_jax.models import bert
  from taskrobust_jax.models.functional import functional
  from taskrobust_jax.models.transformer import TransformerOptions
  from taskrobust_jax.tasks.masked_language import MaskedLanguage, Vocabulary

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
  suite = MaskedLanguage(
    apply,
    task_names=tuple(f"task_{k}" for k in range(num_tasks)),
    tag_tasks=np.arange(num_tasks, dtype=np.int32),
    vocabulary=Vocabulary(VOCABULARY_SIZE, mask_id=4, num_special=5),
    max_predictions=round(0.15 * LENGTH),
  )
  return init_params, suite, jax.tree.map(lambda x: x.astype(np.int32), batch)


if __name__ == "__main__":
  program.run(main)
