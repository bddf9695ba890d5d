"""How hard each word was for a run: a split into tasks by difficulty."""

from collections.abc import Callable, Iterator, Mapping
import dataclasses
import os
import shutil
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from taskrobust_jax import lock
from taskrobust_jax.data import stored
from taskrobust_jax.data.tagging import tagger
from taskrobust_jax.data.text import dataset_info, records, shards
from taskrobust_jax.errors import InputError
from taskrobust_jax.tasks.masked_language import MaskedLanguage
from taskrobust_jax.train import batches
from taskrobust_jax.train.metrics import clock
from taskrobust_jax.train.restored import Restored

# Each word is hidden once, with every so-manieth of its row: 14 % at a time.
_PASSES = 7
_SECONDS_BETWEEN_LINES = 10
_SPLITS = ("train", "eval")
# Rows that the quantiles are taken of.
_MOST_ROWS = 100_000


def word_losses(
  apply: Callable[..., jax.Array],
  mask_id: int,
  params: Any,
  rows: Mapping[str, jax.Array],
) -> jax.Array:
  """The loss of each word when it is hidden.

  Word i of a row is hidden together with the words i +- 7, i +- 14, ...; its
  loss is the mean over its pieces.

  Args:
    apply: Of a `Bert`; see `models.functional`.
    mask_id: Of [MASK].
    params: Of `apply`.
    rows: [B, L] arrays.

  Returns:
    [B, L] f32 in nats, at all pieces of a word; NaN where no tagged word is.
  """
  tokens = rows["tokens"]
  is_word = rows["tags"] > 0
  number = jnp.cumsum(rows["word_starts"] > 0, axis=1)
  pass_of = number % _PASSES

  def encode(part):
    inputs = jnp.where(is_word & (pass_of == part), mask_id, tokens)
    of_row = (rows["segment_ids"], rows["positions"])
    return apply(params, inputs, *of_row, method="encode")

  # Each place is predicted once, from the pass that hides it: logits of all
  # places in every pass would cost more than a small encoder does.
  states = jax.lax.map(encode, jnp.arange(_PASSES))
  hidden = jnp.take_along_axis(states, pass_of[None, ..., None], axis=0)[0]
  logits = apply(params, hidden, method="predict")
  losses = optax.softmax_cross_entropy_with_integer_labels(logits, tokens)

  def mean_of_words(losses, number, is_word):
    size = len(number) + 1
    total = jax.ops.segment_sum(jnp.where(is_word, losses, 0.0), number, size)
    count = jax.ops.segment_sum(is_word.astype(jnp.int32), number, size)
    return jnp.where(is_word, (total / jnp.maximum(count, 1))[number], jnp.nan)

  return jax.vmap(mean_of_words)(losses, number, is_word)


def tag_by_loss(
  run: Restored, out_dir: str, num_tags: int, dry_run: bool = False
) -> None:
  """Writes a dataset anew, with tags that say how hard each word was.

  difficulty_1 is the easiest words, which together are 1 / n of the training
  words, difficulty_n the hardest; all else of the rows stays as it is. Words
  without a tag keep none. What a stop leaves is begun anew.

  Args:
    run: The run whose losses count.
    out_dir: The folder to write.
    num_tags: n, 2 to 256.
    dry_run: Whether to check all that, print how much there is to do, and write
      nothing.

  Raises:
    InputError: If the run is of no masked-language tasks, the number is out of
      range, or the folder holds something else.
  """
  suite = run.experiment.suite
  if not isinstance(suite, MaskedLanguage):
    raise InputError("only a run of masked-language tasks knows words' losses")
  if not 2 <= num_tags <= tagger.MOST_TAGS:
    raise InputError(
      f"num_tags must be in [2, {tagger.MOST_TAGS}], got {num_tags}"
    )
  out_dir = os.path.abspath(out_dir)
  if dataset_info.read(out_dir):
    raise InputError(f"{out_dir} holds a complete dataset; give another")
  losses_of_rows = _losses_of_rows(run, suite)
  if dry_run:
    print(_as_text(run, out_dir, num_tags, losses_of_rows))
    return
  os.makedirs(out_dir, exist_ok=True)
  with lock.held(out_dir):
    _write(run, out_dir, num_tags, losses_of_rows)


def _num_rows(run) -> int:
  """Rows whose losses are computed: those of the quantiles, then all."""
  rows = {split: len(run.dataset.split(split)) for split in _SPLITS}
  return min(rows["train"], _MOST_ROWS) + sum(rows.values())


def _as_text(run, out_dir, num_tags, losses_of_rows) -> str:
  """What there is to do; a batch is run twice, to compile it and to time it."""
  source, size = run.dataset.split("train"), run.experiment.batch_size
  for _ in range(2):
    began = time.monotonic()
    list(losses_of_rows(source, 0, min(size, len(source))))
  seconds = (time.monotonic() - began) * _num_rows(run) / size
  sizes = ", ".join(f"{len(run.dataset.split(s)):,} {s}" for s in _SPLITS)
  return (
    f"tags   difficulty_1 to difficulty_{num_tags}\n"
    f"rows   {sizes}; each {_PASSES} times through the encoder\n"
    f"time   about {clock(seconds)}\n"
    f"folder {out_dir}"
  )


def _losses_of_rows(run, suite):
  """A function: (source, first row, last row) -> rows with their losses."""
  mesh = run.experiment.mesh
  size = run.experiment.batch_size
  compiled = jax.jit(
    lambda params, rows: word_losses(
      suite.apply, suite.hiding.vocabulary.mask_id, params, rows
    )
  )

  num_done, num_rows = 0, _num_rows(run)
  began = told = time.monotonic()

  def read(source, first, last) -> Iterator[tuple[dict, np.ndarray]]:
    nonlocal num_done, told
    for begin in range(first, last, size):
      count = min(size, last - begin)
      places = np.arange(begin, begin + count)
      batch = batches.load(source, batches.padded(places, size), mesh)
      losses = compiled(run.state.params, batch)
      rows = source.read(places)
      yield rows, np.asarray(losses)[:count]
      num_done += count
      if time.monotonic() - told > _SECONDS_BETWEEN_LINES:
        told = time.monotonic()
        left = (told - began) / num_done * (num_rows - num_done)
        print(f"row {num_done:,}/{num_rows:,}  {clock(left)} left", flush=True)

  return read


def _write(run, out_dir, num_tags, losses_of_rows) -> None:
  info = run.dataset.info
  edges = _quantiles(run, num_tags, losses_of_rows)
  tag_names = (
    tagger.NO_TAG,
    *(f"difficulty_{i}" for i in range(1, num_tags + 1)),
  )

  def tagged(split, first, last):
    source = run.dataset.split(split)
    for rows, losses in losses_of_rows(source, first, last):
      tags = 1 + np.searchsorted(edges, losses, side="right")
      rows["tags"] = np.where(np.isnan(losses), 0, tags).astype(np.int32)
      for i in range(len(losses)):
        yield {name: values[i] for name, values in rows.items()}

  file = os.path.join(run.dataset.directory, records.TOKENIZER_FILE)
  shutil.copyfile(file, os.path.join(out_dir, records.TOKENIZER_FILE))
  counts = {}
  for split, sizes in info.shard_rows.items():
    ends = np.cumsum(sizes)
    counts[split] = [
      shards.write_shard(
        os.path.join(out_dir, stored.file_name(split, i, len(sizes))),
        tagged(split, end - size, end),
        len(tag_names),
      )
      for i, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]
  kept = {
    field.name: getattr(info, field.name)
    for field in dataclasses.fields(info)
    if field.name in _KEPT
  }
  made = shards.finish(
    out_dir,
    counts,
    tag_names=tag_names,
    tagger=f"difficulty:{num_tags}",
    arguments={**info.arguments, "difficulty_edges": edges.tolist()},
    **kept,
  )
  print(f"{'task':<16}{'words':>12}  loss under the run, nats")
  bounds = ["0", *(f"{edge:.3f}" for edge in edges), "inf"]
  for i, name in enumerate(tag_names[1:]):
    words = made.tag_counts["train"][name]
    print(f"{name:<16}{words:>12,}  {bounds[i]} to {bounds[i + 1]}")
  print(f"wrote {out_dir}\ndigest {made.digest}")


_KEPT = (
  *("source", "row_length", "vocabulary_size", "special_token_ids"),
  *("tokenizer_sha256", "inputs", "versions"),
)


def _quantiles(run, num_tags, losses_of_rows) -> np.ndarray:
  """[num_tags - 1], ascending: what divides the training words' losses."""
  source = run.dataset.split("train")
  size = run.experiment.batch_size
  num_batches = -(-len(source) // size)
  wanted = max(1, min(num_batches, _MOST_ROWS // size))
  found = []
  # Batches all over the split, for its documents stand in order.
  for index in np.linspace(0, num_batches - 1, wanted).astype(int):
    first = int(index) * size
    last = min(first + size, len(source))
    for rows, losses in losses_of_rows(source, first, last):
      losses = losses[rows["word_starts"] > 0]
      found.append(losses[np.isfinite(losses)])
  found = np.concatenate(found)
  if len(found) < num_tags:
    raise InputError(
      f"num_tags: {num_tags}, but the data has {len(found)} words with a tag"
    )
  return np.quantile(found, np.arange(1, num_tags) / num_tags)
