"""Params that a run starts from, in place of new ones."""

import hashlib
import json
from typing import Any, NamedTuple

import jax

from taskrobust_jax.data.text import vocabulary
from taskrobust_jax.errors import InputError
from taskrobust_jax.storage.described import described_arrays
from taskrobust_jax.storage.digest import digests


class Start(NamedTuple):
  """Where a run starts.

  Attributes:
    place: Where the params are from, for messages.
    params: Nested dict of f32 arrays.
    identity: JSON values that must be equal for the run to be continued.
  """

  place: str
  params: Any
  identity: dict[str, Any]

  def check(self, shapes: Any) -> None:
    """Raises InputError unless the params are of these shapes."""
    check_shapes(self.place, self.params, shapes)

  @property
  def init_params(self) -> jax.tree_util.Partial:
    """key -> the params, whatever the key."""
    return jax.tree_util.Partial(lambda params, key: params, self.params)


def make_start(place: str, params: Any, info: dict[str, Any]) -> Start:
  """A start from what `loaded.load` gave.

  Its identity tells which params they are, and names no folder.
  """
  text = json.dumps(digests(params), sort_keys=True)
  names = ("init", "strategy", "seed", "step")
  identity = {
    **{name: info[name] for name in names},
    "digest": hashlib.sha256(text.encode()).hexdigest(),
  }
  return Start(place, params, identity)


def check_shapes(place: str, params: Any, shapes: Any) -> None:
  """Raises InputError, naming the first array that is not of its shape.

  Args:
    place: Where the params are from.
    params: Tree of arrays.
    shapes: What they must be, a tree of `jax.ShapeDtypeStruct`.
  """
  found, expected = described_arrays(params), described_arrays(shapes)
  for path in sorted(found.keys() | expected.keys()):
    seen, wanted = found.get(path, "absent"), expected.get(path, "absent")
    if seen != wanted:
      raise InputError(
        f"{place} holds another model: its array {path} is {seen}, this "
        f"model's is {wanted}"
      )


def check_tokenizer(place: str, tokenizer: Any, file: str) -> None:
  """Raises InputError unless two tokenizers number all pieces alike.

  Args:
    place: Where the params are from.
    tokenizer: Theirs, a `tokenizers.Tokenizer`.
    file: The tokenizer.json of the data.
  """
  theirs = tokenizer.get_vocab()
  ours = vocabulary.read_json(file).get_vocab()
  for piece in sorted(theirs.keys() | ours.keys()):
    if theirs.get(piece) != ours.get(piece):
      raise InputError(
        f"{place} has another vocabulary than the data: the id of {piece!r} is "
        f"{theirs.get(piece)}, in {file} it is {ours.get(piece)}; prepare the "
        "data with its tokenizer.json as data.vocabulary_path"
      )
