"""Masked language modelling, one task for each group of parts of speech.

Task k masks words of group k only and recovers them from all the others. In
training row i of the global batch serves task i mod K, so that a step of K
tasks does the work of a plain step; in evaluation every row serves every task.
The paper's groups could not be read: the groups are the caller's.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import difflib
import functools
from typing import Any, NamedTuple

from einops import rearrange
import jax
import jax.numpy as jnp
import numpy as np
import optax

from taskrobust_jax.errors import InputError
from taskrobust_jax.tasks.suite import TaskSums

CONTEXT = -1  # Task of a tag that no group holds: seen, never predicted.


class Vocabulary(NamedTuple):
  """What corruption needs to know of the vocabulary.

  Attributes:
    size: V.
    mask_id: Id of [MASK].
    num_special: Ids below this are special and never drawn at random.
  """

  size: int
  mask_id: int
  num_special: int


def task_of_tag(
  groups: Mapping[str, Sequence[str]],
  tag_names: Sequence[str],
  tag_counts: Mapping[str, int],
) -> np.ndarray:
  """The table from tag ids to tasks.

  Args:
    groups: Task name -> tags.
    tag_names: Name of every tag id.
    tag_counts: Words of each tag in the training data.

  Returns:
    [len(tag_names)] int32; `CONTEXT` for tags that no group holds.

  Raises:
    InputError: For no groups, an unknown tag, a tag in two groups, or a group
      that matches no word.
  """
  if not groups:
    raise InputError("groups must name at least one task, got none")
  table = np.full(len(tag_names), CONTEXT, np.int32)
  for task, (group, tags) in enumerate(groups.items()):
    for tag in tags:
      if tag not in tag_names[1:]:  # The first is that of no word.
        close = difflib.get_close_matches(tag, tag_names[1:], n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise InputError(
          f"group {group!r} has the unknown tag {tag!r}{hint} Legal: "
          f"{' '.join(tag_names[1:])}"
        )
      index = tag_names.index(tag)
      if table[index] != CONTEXT:
        other = list(groups)[table[index]]
        raise InputError(
          f"groups {other!r} and {group!r} overlap: both hold {tag!r}"
        )
      table[index] = task
    if not any(tag_counts.get(tag, 0) for tag in tags):
      raise InputError(
        f"group {group!r} ({' '.join(tags)}) matches no word of the training "
        "data"
      )
  return table


def choose_words(
  key: jax.Array,
  is_word_start: jax.Array,
  is_candidate: jax.Array,
  word_fraction: float,
  max_predictions: int,
) -> jax.Array:
  """Draws whole words of one row.

  Words are put in random order, and the first `word_fraction` of them (at least
  one) are taken in turn. A word that would exceed `max_predictions` pieces is
  left whole, and the next one is tried, as in BERT.

  Args:
    key: A key.
    is_word_start: [L] bool, first piece of each word.
    is_candidate: [L] bool, equal on all pieces of a word.
    word_fraction: In (0, 1].
    max_predictions: The most pieces.

  Returns:
    [L] bool, the pieces of the chosen words.
  """
  length = is_word_start.shape[0]
  place = jnp.arange(length)
  is_start = is_word_start & is_candidate
  # Every piece knows where its word starts, and every start how long it is.
  start_of = jax.lax.cummax(jnp.where(is_word_start, place, 0))
  num_pieces = jax.ops.segment_sum(
    is_candidate.astype(jnp.int32), start_of, length
  )

  draw = jnp.where(is_start, jax.random.uniform(key, (length,)), jnp.inf)
  in_random_order = jnp.argsort(draw)
  num_wanted = jnp.ceil(word_fraction * is_start.sum())
  # Starts come first in this order: `place` counts the words drawn so far.
  is_wanted = place < num_wanted

  def take(num_taken, word):
    is_wanted, num_pieces = word
    fits = is_wanted & (num_taken + num_pieces <= max_predictions)
    return num_taken + jnp.where(fits, num_pieces, 0), fits

  _, is_taken = jax.lax.scan(
    take, 0, (is_wanted, num_pieces[in_random_order]), unroll=8
  )
  taken_starts = jnp.zeros(length, bool).at[in_random_order].set(is_taken)
  return taken_starts[start_of] & is_candidate


def corrupt(
  key: jax.Array,
  tokens: jax.Array,
  is_chosen: jax.Array,
  vocabulary: Vocabulary,
) -> jax.Array:
  """BERT's corruption: 80 % [MASK], 10 % a random token, 10 % unchanged.

  Args:
    key: A key.
    tokens: [L] int32.
    is_chosen: [L] bool.
    vocabulary: Of the tokens.

  Returns:
    [L] int32.
  """
  how_key, token_key = jax.random.split(key)
  how = jax.random.uniform(how_key, tokens.shape)
  drawn = jax.random.randint(
    token_key, tokens.shape, vocabulary.num_special, vocabulary.size
  )
  replaced = jnp.where(how < 0.9, drawn, tokens)
  replaced = jnp.where(how < 0.8, vocabulary.mask_id, replaced)
  return jnp.where(is_chosen, replaced, tokens)


@dataclasses.dataclass(frozen=True)
class MaskedLanguage:
  """A suite of K masked-language tasks.

  A batch is a dict of [B, L] int32 arrays: `tokens`, `segment_ids`,
  `positions`, `word_starts` (1 on the first piece of a word) and `tags`.

  Attributes:
    apply: (params, tokens, segment_ids, positions, targets_at, dropout_key) ->
      logits [B, M, V] f32.
    task_names: K names, in the order of `tag_tasks`.
    tag_tasks: [tags] int32, from `task_of_tag`.
    vocabulary: Of the tokens.
    max_predictions: M, the most pieces predicted in a row.
    word_fraction: In (0, 1], the share of a row's words of the group that are
      predicted. 1 leaves it to `max_predictions`.
  """

  apply: Callable[..., jax.Array]
  task_names: tuple[str, ...]
  tag_tasks: np.ndarray
  vocabulary: Vocabulary
  max_predictions: int
  word_fraction: float = 0.5

  def per_task_losses(
    self, params: Any, batch: dict[str, jax.Array], rng: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """See `TaskSuite`. B must be a multiple of K."""
    num_tasks = len(self.task_names)
    word_key, dropout_key = jax.random.split(rng)
    by_task = functools.partial(
      jax.tree.map,
      # Not "(k b)": rows of one task would move between devices.
      lambda x: rearrange(x, "(b k) ... -> k b ...", k=num_tasks),
    )
    sums = jax.vmap(self._sums, in_axes=(None, 0, 0, 0, 0))(
      params,
      jnp.arange(num_tasks),
      by_task(batch),
      by_task(_row_keys(word_key, batch)),
      jax.random.split(dropout_key, num_tasks),
    )
    return sums.loss / jnp.maximum(sums.count, 1.0), sums.count

  def per_task_sums(
    self, params: Any, batch: dict[str, jax.Array], rng: jax.Array
  ) -> TaskSums:
    """Sums of every task over every row, without dropout."""
    return jax.vmap(self._sums, in_axes=(None, 0, None, None, None))(
      params,
      jnp.arange(len(self.task_names)),
      batch,
      _row_keys(rng, batch),
      None,
    )

  def _sums(self, params, task, rows, row_keys, dropout_key) -> TaskSums:
    """Sums of one task over [B, L] rows."""
    with jax.named_scope("corrupt"):
      inputs, targets_at, targets, is_target = jax.vmap(
        self._corrupt_row, in_axes=(None, 0, 0)
      )(task, rows, row_keys)
    with jax.named_scope("encode"):
      logits = self.apply(
        params,
        inputs,
        rows["segment_ids"],
        rows["positions"],
        targets_at,
        dropout_key,
      )
    with jax.named_scope("losses"):
      losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
      is_correct = logits.argmax(-1) == targets
      return TaskSums(
        loss=jnp.where(is_target, losses, 0.0).sum(),
        correct=(is_target & is_correct).sum(dtype=jnp.float32),
        count=is_target.sum(dtype=jnp.float32),
      )

  def _corrupt_row(self, task, row, key):
    """(inputs [L], targets_at [M], targets [M], is_target [M]) of a row."""
    word_key, corrupt_key = jax.random.split(key)
    is_candidate = jnp.asarray(self.tag_tasks)[row["tags"]] == task
    is_chosen = choose_words(
      word_key,
      row["word_starts"] > 0,
      is_candidate,
      self.word_fraction,
      self.max_predictions,
    )
    inputs = corrupt(corrupt_key, row["tokens"], is_chosen, self.vocabulary)
    # The chosen places first, in order; what follows them is no target.
    targets_at = jnp.argsort(~is_chosen, stable=True)[: self.max_predictions]
    return (
      inputs,
      targets_at,
      row["tokens"][targets_at],
      is_chosen[targets_at],
    )


def _row_keys(key, batch):
  """A key for each row of the global batch, [B]."""
  rows = jnp.arange(batch["tokens"].shape[0])
  return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, rows)
