"""Examples read one by one from files of pictures, whatever their layout.

An example is a dict of what it has: `rgb`, `depth`, `normals`, `semseg` as
`crops` says, and `label`, an int32. Its pictures are of one size; those of two
examples may differ.
"""

from collections.abc import Callable, Iterable, Iterator
import dataclasses
import hashlib
from typing import Any, Protocol

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import crops, decoding, file_trees

IF_BAD = ("fail", "skip")
Decoder = Callable[[bytes], np.ndarray]


class Source(Protocol):
  """Examples by index: `Examples`, or whatever has these attributes.

  Attributes:
    place: what it is called in messages.
    modalities: those that its examples may have.
    class_names: of the labels of pixels; empty without semseg.
    label_names: of `label`; empty without labels.

  `fingerprint()` is a text that differs for other examples.
  """

  place: str
  modalities: tuple[str, ...]
  class_names: tuple[str, ...]
  label_names: tuple[str, ...]

  def __len__(self) -> int: ...

  def read(self, index: int) -> dict[str, Any]: ...

  def fingerprint(self) -> str: ...


@dataclasses.dataclass(frozen=True)
class Examples:
  """The examples of a layout, by index; from a function of `image_folders`.

  Attributes:
    tree: where the files are.
    decoders: modality -> function of a file's bytes.
    files: modality -> the file of each example. (A list of dicts would be
      larger than the names.)
    labels: for each example, or None.
    class_names: of the labels of pixels; empty without semseg.
    label_names: of `label`; empty without labels.
  """

  tree: file_trees.Tree
  decoders: dict[str, Decoder]
  files: dict[str, list[str]]
  labels: list[int] | None = None
  class_names: tuple[str, ...] = ()
  label_names: tuple[str, ...] = ()

  @property
  def place(self) -> str:
    """The folder or archive."""
    return self.tree.place

  @property
  def modalities(self) -> tuple[str, ...]:
    """Names, in the order of `crops.PICTURES`."""
    return tuple(name for name in crops.PICTURES if name in self.decoders)

  def __len__(self) -> int:
    return len(next(iter(self.files.values())))

  def fingerprint(self) -> str:
    """A hash of the files' names and sizes, of labels, of how they are read.

    Of their content it would take hours: a hash of what was read stands in the
    digest of the dataset.
    """
    digest = hashlib.sha256()
    digest.update(f"{self.class_names} {self.label_names}\n".encode())
    for modality, files in self.files.items():
      # Such as the scale of depth; a plain function has none.
      options = getattr(self.decoders[modality], "keywords", {})
      digest.update(f"{modality} {len(files)} {options}\n".encode())
      for file in files:
        digest.update(f"{file} {self.tree.sizes[file]}\n".encode())
    digest.update(str(self.labels).encode())
    return digest.hexdigest()[:16]

  def read(self, index: int) -> dict[str, Any]:
    """Reads an example.

    Raises:
      PictureError: a picture that does not decode or is not what it should be,
        or pictures of differing size. The file is named.
    """
    example: dict[str, Any] = {}
    for name, files in self.files.items():
      file = files[index]
      content = self.tree.read(file)
      try:
        example[name] = self.decoders[name](content)
      except decoding.PictureError as error:
        raise decoding.PictureError(
          f"{self.tree.place}: {file} {error}"
        ) from error
    try:
      crops.shape_of(example)
    except errors.InputError as error:
      named = ", ".join(files[index] for files in self.files.values())
      raise decoding.PictureError(
        f"{self.tree.place}: {named}: {error}"
      ) from error
    if self.labels is not None:
      example["label"] = np.int32(self.labels[index])
    return example


def read_all(
  source: Source,
  indices: Iterable[int] | None = None,
  *,
  if_bad: str = "fail",
  skipped: list[str] | None = None,
) -> Iterator[dict[str, Any]]:
  """Yields examples in the order of their indices.

  Args:
    source: whose examples.
    indices: which ones; None for all.
    if_bad: "fail", or "skip" to go on to the next example.
    skipped: a list to which the message of each skipped example is added.

  Raises:
    InputError: `if_bad` is none of `IF_BAD`.
    PictureError: a bad picture, with "fail".
  """
  check_if_bad(if_bad)
  for index in range(len(source)) if indices is None else indices:
    try:
      yield source.read(index)
    except decoding.PictureError as error:
      if if_bad == "fail":
        raise
      if skipped is not None:
        skipped.append(str(error))


def check_if_bad(if_bad: str) -> None:
  """Raises InputError unless it is one of `IF_BAD`."""
  if if_bad not in IF_BAD:
    raise errors.InputError(f"if_bad: {if_bad!r} is not one of {IF_BAD}")
