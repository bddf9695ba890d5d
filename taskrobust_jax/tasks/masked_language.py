"""Masked language modelling in K tasks, which differ in what they hide.

In the paper's case task k hides words of one group of parts of speech and
recovers them from all the others (its groups could not be read: they are the
caller's). A *budget* says which rows of the global batch serve which task in
training (see `MaskedLanguage`); in evaluation every row serves every task.
"""

from collections.abc import Callable
import dataclasses
import functools
from typing import Any, NamedTuple

from einops import rearrange
import jax
import jax.numpy as jnp
import optax

from taskrobust_jax.errors import InputError, did_you_mean
from taskrobust_jax.tasks.hiding import Hiding
from taskrobust_jax.tasks.rows_by_weight import (
  assign_rows,
  check_rows,
  default_min_rows,
)
from taskrobust_jax.tasks.suite import Part, TaskSums, row_keys, whole

BUDGETS = ("rows", "every_row", "one_input", "rows_by_weight")


class _Predictions(NamedTuple):
  """What is known of every place that is predicted, [B, M].

  Attributes:
    losses: f32, nats.
    is_correct: bool.
    is_target: bool; the other places only fill the row.
    tasks: int32, the task that the target's word belongs to.
  """

  losses: jax.Array
  is_correct: jax.Array
  is_target: jax.Array
  tasks: jax.Array


@dataclasses.dataclass(frozen=True)
class MaskedLanguage:
  """A suite of K masked-language tasks.

  A batch is a dict of [B, L] int32 arrays: `tokens`, `segment_ids`,
  `positions`, `word_starts` (1 on the first piece of a word) and `tags`.

  Budgets, and what a step costs in forward passes of one row:
    "rows": Row i serves task i mod K. B passes.
    "every_row": Every row serves all tasks, each in a corruption of its own,
      with targets of one group. K B passes, and their memory.
    "one_input": One corruption of a row serves all tasks: words of any group
      are drawn together, as in ordinary masking, and the loss is split by the
      group of each target. B passes. Words of other groups are hidden too, and
      targets of a task are as frequent as its words. For a `WordGroups`.
    "rows_by_weight": The rows of a task follow the adversary's weights (see
      `rows_by_weight.assign_rows`), so that concentrated weights throw no rows
      away. B passes. The gradient stays sum_k q_k grad L_k, whose mean over
      batches does not depend on the number of rows n_k, but for the bias of a
      ratio of sums, O(1 / n_k); a row weighs q_k / n_k in it, about 1 / B. What
      it costs: the adversary sees the loss of a task of small weight as a mean
      over few rows, and not at all in a batch where these hold no such word.

  Attributes:
    apply: (params, tokens, segment_ids, positions, targets_at, dropout_keys)
      -> logits [B, M, V] f32; a key for each row, or `None`.
    hiding: What the tasks hide of a row.
    budget: One of `BUDGETS`.
    min_rows: Of "rows_by_weight" alone: the fewest rows of a task, in
      [1, B / K]; `None` for max(1, B // (16 K)).

  Raises:
    InputError: For an unknown budget, or an illegal `min_rows`.
  """

  apply: Callable[..., jax.Array]
  hiding: Hiding
  budget: str = "rows"
  min_rows: int | None = None

  takes_parts = True

  def __post_init__(self):
    if self.budget not in BUDGETS:
      hint = did_you_mean(self.budget, BUDGETS)
      raise InputError(
        f"budget must be one of {', '.join(BUDGETS)}, got {self.budget!r}{hint}"
      )
    if self.budget == "one_input" and not self.hiding.splits_rows:
      raise InputError(
        "budget 'one_input' splits a row's words by task, which "
        f"{type(self.hiding).__name__} cannot; take 'rows' or 'every_row'"
      )
    if self.min_rows is None:
      return
    if self.budget != "rows_by_weight":
      raise InputError(
        "min_rows is an argument of the budget 'rows_by_weight', got "
        f"{self.min_rows!r} with the budget {self.budget!r}"
      )
    is_whole = isinstance(self.min_rows, int) and self.min_rows is not True
    if not is_whole or self.min_rows < 1:
      raise InputError(
        f"min_rows must be a whole number >= 1, got {self.min_rows!r}"
      )

  @property
  def task_names(self) -> tuple[str, ...]:
    return self.hiding.task_names

  @property
  def uses_task_weights(self) -> bool:
    """Whether `per_task_losses` makes use of the adversary's weights."""
    return self.budget == "rows_by_weight"

  @property
  def batch_multiple(self) -> int:
    """The number that B must be a multiple of, on one device."""
    return len(self.task_names) if self.budget == "rows" else 1

  def check_batch_size(self, batch_size: int) -> None:
    """Raises InputError unless the budget can share out so many rows."""
    num_tasks = len(self.task_names)
    if batch_size < 1 or batch_size % self.batch_multiple:
      raise InputError(
        f"batch_size must be a multiple of {self.batch_multiple} for the "
        f"budget {self.budget!r} of {num_tasks} tasks, got {batch_size}"
      )
    if self.budget == "rows_by_weight":
      check_rows(batch_size, num_tasks, self._min_rows(batch_size))

  def per_task_losses(
    self,
    params: Any,
    batch: dict[str, jax.Array],
    rng: jax.Array,
    task_weights: jax.Array | None = None,
    part: Part | None = None,
  ) -> tuple[jax.Array, jax.Array]:
    """See `TaskSuite`.

    Args:
      params: Of `apply`.
      batch: The global batch; see `check_batch_size` for legal B.
      rng: A key.
      task_weights: [K], the adversary's before this batch; `None` for equal
        ones. Only "rows_by_weight" makes use of them.
      part: Which rows of the global batch these are; `None` for all.

    Returns:
      (losses [K] f32 in nats, counts [K] f32).

    Raises:
      InputError: For an illegal B, or weights of another shape.
    """
    num_rows = batch["tokens"].shape[0]
    part = part or whole(num_rows)
    self.check_batch_size(part.num_rows)
    if self.budget == "rows":
      sums = self._over_tasks(self._sums, params, batch, rng, part.rows)
    elif self.budget == "every_row":
      word_key, dropout_key = jax.random.split(rng)
      dropout_keys = jax.vmap(row_keys, (0, None))(
        jax.random.split(dropout_key, len(self.task_names)), part.rows
      )
      sums = self._sums_of_every_row(
        params, batch, row_keys(word_key, part.rows), dropout_keys
      )
    else:
      word_key, dropout_key, row_key = jax.random.split(rng, 3)
      tasks = None
      if self.uses_task_weights:
        tasks = self._tasks_of_rows(row_key, part.num_rows, task_weights)
        tasks = tasks[part.rows]
      keys = (row_keys(key, part.rows) for key in (word_key, dropout_key))
      sums = self._sums_by_target(params, tasks, batch, *keys)
    return sums.means()

  def per_task_sums(
    self, params: Any, batch: dict[str, jax.Array], rng: jax.Array
  ) -> TaskSums:
    """Sums of every task over every row, without dropout, in every budget."""
    rows = whole(batch["tokens"].shape[0]).rows
    return self._sums_of_every_row(params, batch, row_keys(rng, rows), None)

  def per_task_gradients(
    self, params: Any, batch: dict[str, jax.Array], rng: jax.Array
  ) -> tuple[jax.Array, jax.Array, Any] | None:
    """See `TaskSuite`; `None` where a row may serve several tasks.

    In the budget "rows" K gradients over B / K rows each are one backward pass
    over B rows.
    """
    if self.budget != "rows":
      return None
    num_rows = batch["tokens"].shape[0]
    self.check_batch_size(num_rows)

    def loss(*arguments):
      sums = self._sums(*arguments)
      return sums.means()

    (losses, counts), gradients = self._over_tasks(
      jax.value_and_grad(loss, has_aux=True),
      params,
      batch,
      rng,
      whole(num_rows).rows,
    )
    return losses, counts, gradients

  def _over_tasks(self, function, params, batch, rng, rows):
    """Maps a function like `_sums`, where row i serves task i mod K."""
    num_tasks = len(self.task_names)
    word_key, dropout_key = jax.random.split(rng)
    by_task = functools.partial(
      jax.tree.map,
      # Not "(k b)": rows of one task would move between devices.
      lambda x: rearrange(x, "(b k) ... -> k b ...", k=num_tasks),
    )
    return jax.vmap(function, in_axes=(None, 0, 0, 0, 0))(
      params,
      jnp.arange(num_tasks),
      by_task(batch),
      by_task(row_keys(word_key, rows)),
      by_task(row_keys(dropout_key, rows)),
    )

  def _sums_of_every_row(self, params, batch, row_keys, dropout_keys):
    """Every row serves all tasks; `dropout_keys` [K, B], or `None`."""
    # Tasks share a row's key: they draw at different places of the row.
    return jax.vmap(self._sums, in_axes=(None, 0, None, None, 0))(
      params,
      jnp.arange(len(self.task_names)),
      batch,
      row_keys,
      dropout_keys,
    )

  def _sums_by_target(self, params, tasks, batch, row_keys, dropout_keys):
    """One pass over the rows, summed by the task of each target."""
    seen = self._predict(params, tasks, batch, row_keys, dropout_keys)
    with jax.named_scope("losses"):
      of_task = seen.tasks[..., None] == jnp.arange(len(self.task_names))
      of_task &= seen.is_target[..., None]  # [B, M, K]
      is_correct = of_task & seen.is_correct[..., None]
      return TaskSums(
        loss=jnp.where(of_task, seen.losses[..., None], 0.0).sum((0, 1)),
        correct=is_correct.sum((0, 1), dtype=jnp.float32),
        count=of_task.sum((0, 1), dtype=jnp.float32),
      )

  def _tasks_of_rows(self, key, num_rows, task_weights):
    """[B] int32, the task of each row in the budget "rows_by_weight"."""
    num_tasks = len(self.task_names)
    if task_weights is None:
      task_weights = jnp.full(num_tasks, 1 / num_tasks)
    if task_weights.shape != (num_tasks,):
      raise InputError(
        f"task_weights must have shape {(num_tasks,)} (one weight a task), got "
        f"{task_weights.shape}"
      )
    return assign_rows(key, task_weights, num_rows, self._min_rows(num_rows))

  def _min_rows(self, num_rows) -> int:
    if self.min_rows is None:
      return default_min_rows(num_rows, len(self.task_names))
    return self.min_rows

  def _sums(self, params, task, rows, row_keys, dropout_keys) -> TaskSums:
    """Sums of one task over [B, L] rows."""
    seen = self._predict(params, task, rows, row_keys, dropout_keys)
    with jax.named_scope("losses"):
      return TaskSums(
        loss=jnp.where(seen.is_target, seen.losses, 0.0).sum(),
        correct=(seen.is_target & seen.is_correct).sum(dtype=jnp.float32),
        count=seen.is_target.sum(dtype=jnp.float32),
      )

  def _predict(self, params, tasks, rows, row_keys, dropout_keys):
    """`_Predictions` of [B, L] rows; `tasks` as in `_corrupt_row`, or [B]."""
    task_axis = None if tasks is None or jnp.ndim(tasks) == 0 else 0
    with jax.named_scope("corrupt"):
      inputs, targets_at, targets, is_target, target_tasks = jax.vmap(
        self._corrupt_row, in_axes=(task_axis, 0, 0)
      )(tasks, rows, row_keys)
    logits = self.apply(
      params,
      inputs,
      rows["segment_ids"],
      rows["positions"],
      targets_at,
      dropout_keys,
    )
    with jax.named_scope("losses"):
      losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
      is_correct = logits.argmax(-1) == targets
      return _Predictions(losses, is_correct, is_target, target_tasks)

  def _corrupt_row(self, task, row, key):
    """Corrupts a row for one task, or for all together if `task` is `None`.

    Returns:
      (inputs [L], targets_at [M], targets [M], is_target [M], their tasks [M]).
    """
    hidden = self.hiding(task, row, key)
    # The chosen places first, in order; what follows them is no target.
    targets_at = jnp.argsort(~hidden.is_chosen, stable=True)
    targets_at = targets_at[: self.hiding.max_predictions]
    return (
      hidden.inputs,
      targets_at,
      row["tokens"][targets_at],
      hidden.is_chosen[targets_at],
      hidden.tasks[targets_at],
    )
