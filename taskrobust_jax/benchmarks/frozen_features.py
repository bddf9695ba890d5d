"""What it saves to compute a frozen encoder's features once.

  python -m taskrobust_jax.benchmarks.frozen_features [--out=FILE.json]

Timed in turn, on one thread, in CPU time: an epoch of training a head on cached
features, and one that runs the encoder for every batch first; both with their
reading of rows. The rows are random, what they hold does not matter here. A run
of several epochs pays for one pass of the encoder on top of its cached epochs;
what that gives is computed from the two.
"""

from absl import flags
import numpy as np

from taskrobust_jax import program
from taskrobust_jax.benchmarks import measure

SIZES = ("tiny", "mini")
LENGTH = 64
BATCH_SIZE = 32
NUM_BATCHES = {"tiny": 8, "mini": 4}
VOCABULARY_SIZE = 8192
EPOCHS = (3, 30)


def main(out: str, rounds: int) -> None:
  """Prints a row for each size of BERT and writes them all."""
  measure.use_one_thread()
  rows = []
  for size in SIZES:
    cached, encoded = epochs_of(size)
    ratio = measure.paired_ratio(encoded, cached, rounds)
    # In cached epochs; the encoder's pass alone is the difference of the two.
    savings = {
      f"times_faster_{n}_epochs": n * ratio.median / (n + ratio.median - 1)
      for n in EPOCHS
    }
    rows.append({"size": size, **ratio._asdict(), **savings})
    print(
      f"{size:<5} an epoch is {ratio.median:.1f} times faster ({ratio.low:.1f} "
      f"to {ratio.high:.1f}); with the one pass of the encoder"
    )
    for n in EPOCHS:
      print(f"      {n:>2} epochs {savings[f'times_faster_{n}_epochs']:.1f}")
  measure.write(
    out,
    rows,
    batch_size=BATCH_SIZE,
    row_length=LENGTH,
    batches_an_epoch=NUM_BATCHES,
    vocabulary_size=VOCABULARY_SIZE,
    threads=1,
    computed="times_faster_*_epochs",
  )


def epochs_of(size: str):
  """(An epoch on cached features, one that runs the encoder), as functions."""
  import jax

  from taskrobust_jax.configuring_transfer import fine_tuning
  from taskrobust_jax.models.bert import SIZES as OPTIONS
  from taskrobust_jax.train import batches, loaded
  from taskrobust_jax.transfer import fine_tuning as tuning
  from taskrobust_jax.transfer import heads, text_encoder
  from taskrobust_jax.transfer.objectives import Classification
  from taskrobust_jax.transfer.task import ArrayRows, DownstreamTask

  num_layers, width, num_heads = OPTIONS[size]
  options = {
    "num_layers": num_layers,
    "width": width,
    "num_heads": num_heads,
    "mlp_width": 4 * width,
    "dropout_rate": 0.0,
    "dtype": "float32",
    "unroll": True,
    "remat": False,
    "vocabulary_size": VOCABULARY_SIZE,
    "max_length": LENGTH,
  }
  model = loaded.model_of({"kind": "bert", "options": options})
  params = jax.device_get(jax.jit(model.init)(jax.random.key(0)))
  encoder = text_encoder.make_encoder(
    loaded.Loaded(model, params, None, {}), dropout_rate=0.0, dtype="float32"
  )
  random = np.random.default_rng(0)
  num_batches = NUM_BATCHES[size]
  num_rows = num_batches * BATCH_SIZE
  shape = (num_rows, LENGTH)
  rows = ArrayRows(
    {
      "tokens": random.integers(5, VOCABULARY_SIZE, shape).astype(np.int32),
      "token_types": np.zeros(shape, np.int32),
      "lengths": np.full(num_rows, LENGTH, np.int32),
      "label": random.integers(0, 2, num_rows).astype(np.int32),
    }
  )
  head = heads.first_token(width, 2, 0.1)
  task = DownstreamTask("made", rows, rows, head, Classification(), "made")
  tuner = tuning.FineTuner(task, encoder, fine_tuning("frozen"))
  experiment = tuner.experiment(0, np.arange(num_rows))
  state = experiment.init_state()

  @jax.jit
  def encode(params, batch):
    return head.features(encoder.encode(params, batch, None), batch)

  on_device = jax.device_put(encoder.params)

  def cached():
    nonlocal state
    for step in range(num_batches):
      batch = experiment.load_batch(step)
      state, _ = experiment.train_step(state, batch)
    jax.block_until_ready(state)

  def encoded():
    nonlocal state
    for step in range(num_batches):
      chosen = experiment.rows_of_step(step)
      batch = batches.load(rows, chosen, experiment.mesh)
      kept = {"features": encode(on_device, batch), "label": batch["label"]}
      state, _ = experiment.train_step(state, kept)
    jax.block_until_ready(state)

  return cached, encoded


if __name__ == "__main__":
  _OUT = flags.DEFINE_string(
    "out", "notebooks/results/frozen_features.json", "The JSON file to write."
  )
  _ROUNDS = flags.DEFINE_integer(
    "rounds", 21, "Pairs that are timed.", lower_bound=6
  )
  program.run(lambda: main(_OUT.value, _ROUNDS.value))
