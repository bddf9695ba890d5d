"""Masked image modelling, one task for each modality that is recovered."""

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from taskrobust_jax.errors import InputError
from taskrobust_jax.tasks.modalities import Modality
from taskrobust_jax.tasks.suite import Part, TaskSums, row_keys, whole
from taskrobust_jax.tasks.visible import draw_order


@dataclasses.dataclass(frozen=True)
class MaskedImage:
  """A suite of K tasks over one encoder pass of all rows.

  A batch is a dict: `rgb` [B, H, W, 3] uint8, `depth` [B, H, W] f32 metres
  (NaN: unknown), `normals` [B, H, W, 3] f32 unit vectors (0: unknown), `semseg`
  [B, H, W] int32 classes (-1: unknown), and for each `has_<name>` [B] bool.

  A task counts the known values of the patches that its rows do not show: of
  its own modality if that is an input, else of the first input. A row counts
  for the modalities that it has.

  Attributes:
    apply: (params, patches, order, num_visible) -> predictions, see `MultiMae`.
    modalities: From `modalities.make`.
    inputs: Names of the modalities that are shown.
    task_names: Names of the K modalities that are recovered.
    image_size: H = W, a multiple of `patch`.
    patch: Pixels on a side, a multiple of 8.
    num_visible: V, patches that are shown of each row, over all inputs.
    concentration: Of the Dirichlet that shares V out over the inputs.

  Raises:
    InputError: For unknown, repeated or no modalities, a patch that does not
      divide the image, or too many or no visible patches.
  """

  apply: Callable[..., dict[str, jax.Array]]
  modalities: Mapping[str, Modality]
  inputs: tuple[str, ...]
  task_names: tuple[str, ...]
  image_size: int
  patch: int
  num_visible: int
  concentration: float = 1.0

  # Every row serves all tasks that it has the modality of.
  takes_parts = True

  def __post_init__(self):
    for what, names in (("inputs", self.inputs), ("outputs", self.task_names)):
      if not names or len(set(names)) < len(names):
        raise InputError(
          f"{what} must be modalities, each once, got {', '.join(names)!r}"
        )
      if unknown := set(names) - set(self.modalities):
        raise InputError(
          f"{what}: unknown modality {', '.join(sorted(unknown))}; legal: "
          f"{', '.join(self.modalities)}"
        )
    if self.patch < 8 or self.patch % 8 or self.image_size % self.patch:
      raise InputError(
        f"patch must be a multiple of 8 that divides the image size "
        f"{self.image_size}, got {self.patch}"
      )
    # More than one modality's patches could not be dealt to a row that has
    # one modality alone.
    if not 0 < self.num_visible < self.num_patches:
      raise InputError(
        f"num_visible must be in [1, {self.num_patches - 1}] (an input has "
        f"{self.num_patches} patches), got {self.num_visible}"
      )
    if not 0 < self.concentration < float("inf"):
      raise InputError(
        f"concentration must be in (0, inf), got {self.concentration}"
      )

  @property
  def num_patches(self) -> int:
    """N."""
    return (self.image_size // self.patch) ** 2

  def per_task_losses(
    self,
    params: Any,
    batch: dict[str, jax.Array],
    rng: jax.Array,
    part: Part | None = None,
  ) -> tuple[jax.Array, jax.Array]:
    """See `TaskSuite`; losses are means over values, counts are values."""
    return self.per_task_sums(params, batch, rng, part).means()

  def per_task_sums(
    self,
    params: Any,
    batch: dict[str, jax.Array],
    rng: jax.Array,
    part: Part | None = None,
  ) -> TaskSums:
    """The sums that the losses are made of; accuracies are of classes."""
    order = self.draw_order(batch, rng, part)
    patches = self.show(batch)
    predicted = self.apply(params, patches, order, self.num_visible)
    with jax.named_scope("losses"):
      is_hidden = self.is_hidden(order)
      sums = [
        self._sums(name, predicted[name], batch, is_hidden)
        for name in self.task_names
      ]
      return TaskSums(*map(jnp.stack, zip(*sums, strict=True)))

  def draw_order(self, batch, rng, part=None) -> jax.Array:
    """[B, inputs * N] int32, the visible patches of each row first."""
    is_given = jnp.stack(
      [batch[f"has_{self.modalities[name].source}"] for name in self.inputs], 1
    )
    rows = (part or whole(len(is_given))).rows
    keys = row_keys(rng, rows)
    return jax.vmap(draw_order, (0, 0, None, None))(
      keys, is_given, self.num_patches, self.concentration
    )

  def show(self, batch) -> dict[str, jax.Array]:
    """Input modality -> [B, N, values] f32."""
    with jax.named_scope("corrupt"):
      return {
        name: self.modalities[name].show(batch, self.patch)
        for name in self.inputs
      }

  def is_hidden(self, order: jax.Array) -> dict[str, jax.Array]:
    """Input modality -> [B, N] bool, the patches that are not visible."""
    rank = jnp.argsort(order, axis=1).reshape(
      len(order), len(self.inputs), self.num_patches
    )
    return {
      name: rank[:, m] >= self.num_visible for m, name in enumerate(self.inputs)
    }

  def _sums(self, name, predicted, batch, is_hidden):
    """(sum of losses, values predicted right, values) of one task."""
    modality = self.modalities[name]
    target = modality.target(batch, self.patch)
    hidden = is_hidden.get(name, is_hidden[self.inputs[0]])
    counts = target.is_known & hidden[..., None]
    losses = modality.loss(predicted, target.values)
    total = jnp.where(counts, losses, 0.0).sum()
    correct = jnp.nan
    if modality.classes:
      is_right = modality.classes(predicted) == target.values
      correct = (is_right & counts).sum(dtype=jnp.float32)
    return total, correct, counts.sum(dtype=jnp.float32)
