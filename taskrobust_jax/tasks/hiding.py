"""What a task hides of a row, and so what it has to recover.

A `Hiding` is what makes one masked-language task differ from another:
`WordGroups` hides words of one group, `denoisers.Denoisers` spans of one kind.
"""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from taskrobust_jax.tasks.corruption import Vocabulary, choose_words, corrupt
from taskrobust_jax.tasks.groups import CONTEXT


class Hidden(NamedTuple):
  """A row with something hidden.

  Attributes:
    inputs: [L] int32 tokens.
    is_chosen: [L] bool, the pieces to recover.
    tasks: [L] int32, the task that each piece counts for.
  """

  inputs: jax.Array
  is_chosen: jax.Array
  tasks: jax.Array


class Hiding(Protocol):
  """How rows are hidden.

  Attributes:
    task_names: K names.
    max_predictions: M, the most pieces that are chosen in a row.
    splits_rows: Whether it can hide a row for all tasks together.
  """

  @property
  def task_names(self) -> tuple[str, ...]: ...

  @property
  def max_predictions(self) -> int: ...

  @property
  def splits_rows(self) -> bool: ...

  def __call__(
    self, task: jax.Array | None, row: dict[str, jax.Array], key: jax.Array
  ) -> Hidden:
    """Hides something of one row.

    Args:
      task: Scalar int32, or `None` for all tasks together.
      row: [L] arrays, see `MaskedLanguage`.
      key: A key.
    """
    ...


class WordGroups(NamedTuple):
  """Task k hides whole words of group k, as BERT does.

  Attributes:
    task_names: K names, in the order of `tag_tasks`.
    tag_tasks: [tags] int32, from `groups.task_of_tag`.
    vocabulary: Of the tokens.
    max_predictions: M, the most pieces hidden in a row.
    word_fraction: In (0, 1], the share of a row's words of the group (of all
      groups together, if hidden for all tasks) that are hidden. 1 leaves it to
      `max_predictions`.
  """

  task_names: tuple[str, ...]
  tag_tasks: np.ndarray
  vocabulary: Vocabulary
  max_predictions: int
  word_fraction: float = 0.5

  @property
  def splits_rows(self) -> bool:
    return True

  def __call__(
    self, task: jax.Array | None, row: dict[str, jax.Array], key: jax.Array
  ) -> Hidden:
    word_key, corrupt_key = jax.random.split(key)
    tasks = jnp.asarray(self.tag_tasks)[row["tags"]]
    is_chosen = choose_words(
      word_key,
      row["word_starts"] > 0,
      tasks != CONTEXT if task is None else tasks == task,
      self.word_fraction,
      self.max_predictions,
    )
    inputs = corrupt(corrupt_key, row["tokens"], is_chosen, self.vocabulary)
    return Hidden(inputs, is_chosen, tasks)
