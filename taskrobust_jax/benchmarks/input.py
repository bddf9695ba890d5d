"""How many rows the input pipeline gives, beside what a TPU would take.

  python -m taskrobust_jax.benchmarks.input [--out=FILE.json]

Measured: order, reading and the host's batch of 256 rows, from shards on this
machine's disk, in one thread tied to one core; CPU time, the median of many
batches after a pass that fills the file cache. The rows are made, with pieces
as frequent as in Zipf's law, of the size on disk that real ones have.

Computed, not measured: the rows a second that a v5e:4x4 (16 chips of 197
bfloat16 TFLOP/s) takes at BERT-base, by the floating-point operations of a
training step counted from the shapes, at 40 % of the chips' peak. Its rows are
read by four hosts, each its own quarter.
"""

import os
import tempfile
import time
from typing import Any

from absl import flags
import numpy as np

from taskrobust_jax import program
from taskrobust_jax.benchmarks import measure
from taskrobust_jax.data import stored

BATCH_SIZE = 256
LENGTHS = (128, 512)
NUM_SHARDS = 4
VOCABULARY_SIZE = 30_522
SHARE_PREDICTED = 0.15

NUM_CHIPS = 16
CHIPS_A_HOST = 4
PEAK_FLOPS = 197e12
UTILISATION = 0.4


def main(out: str, num_batches: int) -> None:
  """Prints a row for each row length and writes them all."""
  measure.use_one_thread()
  print(
    "row length  rows/s of one thread  bytes a row  GFLOP a row  "
    "rows/s a v5e:4x4 takes  a host of it  threads a host (computed)"
  )
  rows = []
  for length in LENGTHS:
    row = {"row_length": length, **read_rate(length, num_batches)}
    row |= demand(length)
    row["threads_a_host"] = row["rows_a_host"] / row["rows_a_second"]
    rows.append(row)
    print(
      f"{length:>10}{row['rows_a_second']:>22,.0f}{row['bytes_a_row']:>13,.0f}"
      f"{row['flops_a_row'] / 1e9:>13.1f}{row['rows_a_slice']:>24,.0f}"
      f"{row['rows_a_host']:>14,.0f}{row['threads_a_host']:>16.2f}",
      flush=True,
    )
  measure.write(
    out,
    rows,
    batch_size=BATCH_SIZE,
    batches=num_batches,
    shards=NUM_SHARDS,
    threads=1,
    computed="flops_a_row, rows_a_slice, rows_a_host, threads_a_host",
    chips=NUM_CHIPS,
    peak_flops_a_chip=PEAK_FLOPS,
    model_flops_utilisation=UTILISATION,
  )


def flops_a_row(
  length: int,
  *,
  num_layers: int,
  width: int,
  mlp_width: int,
  vocabulary_size: int,
  num_predictions: int,
) -> float:
  """Operations of a training step a row: 3 times those of the forward pass.

  Of matrix products alone, a multiplication and an addition being two: the four
  projections, queries with keys and weights with values, the two layers of the
  MLP, and the head at the predicted positions.
  """
  layer = 8 * width**2 + 4 * length * width + 4 * width * mlp_width
  head = 2 * width**2 + 2 * width * vocabulary_size
  return 3.0 * (num_layers * length * layer + num_predictions * head)


def demand(length: int) -> dict[str, float]:
  """What BERT-base takes; computed, not measured."""
  from taskrobust_jax.models import bert

  num_layers, width, _ = bert.SIZES["base"]
  flops = flops_a_row(
    length,
    num_layers=num_layers,
    width=width,
    mlp_width=4 * width,
    vocabulary_size=VOCABULARY_SIZE,
    num_predictions=round(SHARE_PREDICTED * length),
  )
  rows = NUM_CHIPS * PEAK_FLOPS * UTILISATION / flops
  return {
    "flops_a_row": flops,
    "rows_a_slice": rows,
    "rows_a_host": rows * CHIPS_A_HOST / NUM_CHIPS,
  }


def read_rate(length: int, num_batches: int) -> dict[str, Any]:
  """Rows a second of CPU time, from rows on disk to a batch on the host."""
  from taskrobust_jax.data import order
  from taskrobust_jax.data.text import records

  with tempfile.TemporaryDirectory() as folder:
    # Some 5 MB a shard, whatever the length.
    num_rows = 4 * BATCH_SIZE * 1024 // length
    size = write_rows(folder, length, num_rows)
    source = records.open_dataset(folder).split("train")
    which = order.Order(num_rows, BATCH_SIZE, seed=0)
    for step in range(-(-num_rows // BATCH_SIZE)):
      source.read(which.rows(step))
    seconds = []
    for step in range(num_batches):
      began = time.process_time()
      batch = source.read(which.rows(step))
      seconds.append(time.process_time() - began)
      if batch["tokens"].shape != (BATCH_SIZE, length):
        raise RuntimeError(f"a batch of the shape {batch['tokens'].shape}")
  rates = BATCH_SIZE / np.array(seconds)
  return {
    "rows_a_second": float(np.median(rates)),
    "rows_a_second_quartiles": np.percentile(rates, [25, 75]).tolist(),
    "bytes_a_row": size / num_rows,
    "rows_on_disk": num_rows,
  }


def write_rows(folder: str, length: int, num_rows: int) -> int:
  """Writes a dataset of made rows; returns the bytes of its training shards."""
  from taskrobust_jax.data.tagging import part_of_speech
  from taskrobust_jax.data.text import shards, vocabulary, wordpiece

  rng = np.random.default_rng(0)
  tokenizer = wordpiece.train(lambda: ["some words of text"], 64)
  digest = wordpiece.save(tokenizer, os.path.join(folder, "tokenizer.json"))
  counts, size = {"train": [], "eval": []}, 0
  for split, number in (("train", NUM_SHARDS), ("eval", 1)):
    for index in range(number):
      rows = (made_row(rng, length) for _ in range(num_rows // NUM_SHARDS))
      file = os.path.join(folder, stored.file_name(split, index, number))
      counts[split].append(
        shards.write_shard(file, rows, len(part_of_speech.TAG_NAMES))
      )
      size += os.path.getsize(file) if split == "train" else 0
  shards.finish(
    folder,
    counts,
    row_length=length,
    tag_names=part_of_speech.TAG_NAMES,
    tokenizer_sha256=digest,
    vocabulary_size=VOCABULARY_SIZE,
    special_token_ids=vocabulary.SPECIAL_TOKEN_IDS,
    source="",
    tagger="",
    arguments={},
    inputs={},
    versions={},
  )
  return size


def made_row(rng: np.random.Generator, length: int) -> dict[str, np.ndarray]:
  """A full row of one document, its pieces drawn by Zipf's law."""
  pieces = 5 + rng.zipf(1.2, length) % (VOCABULARY_SIZE - 5)
  row = {
    "tokens": pieces,
    "segment_ids": np.ones(length),
    "positions": np.arange(length),
    "word_starts": rng.random(length) < 0.8,
    "tags": rng.integers(1, 18, length),
  }
  return {name: value.astype(np.int32) for name, value in row.items()}


if __name__ == "__main__":
  _OUT = flags.DEFINE_string(
    "out", "notebooks/results/input.json", "Where the JSON goes."
  )
  _BATCHES = flags.DEFINE_integer("batches", 60, "Batches.", lower_bound=5)
  program.run(lambda: main(_OUT.value, _BATCHES.value))
