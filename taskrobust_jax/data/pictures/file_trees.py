"""Files below a folder or in a tar archive, read one by one in any order."""

import os
import posixpath
import tarfile
from typing import Protocol

from taskrobust_jax import errors

# A picture of many megapixels is smaller; what is larger is none.
MAX_FILE_BYTES = 256 << 20


class Tree(Protocol):
  """Files by their relative path with / between folders.

  Attributes:
    place: what it is called in messages.
    sizes: relative path -> bytes; sorted by path.
  """

  place: str
  sizes: dict[str, int]

  def read(self, name: str) -> bytes: ...


class Folder:
  """The files below a folder; see `Tree`. Hidden ones are passed over."""

  def __init__(self, path: str):
    self.place = path
    found = {}
    # Published sets are often made of links, two of which may lead to one
    # folder; one that leads to a folder above itself has no end.
    above = {path: {os.path.realpath(path)}}
    for folder, folders, files in os.walk(path, followlinks=True):
      reals = above.pop(folder)
      kept = []
      for name in sorted(folders):
        full = os.path.join(folder, name)
        real = os.path.realpath(full)
        if not name.startswith(".") and real not in reals:
          above[full] = reals | {real}
          kept.append(name)
      folders[:] = kept
      for file in files:
        if not file.startswith("."):
          full = os.path.join(folder, file)
          try:
            size = os.path.getsize(full)
          except OSError as error:
            raise errors.InputError(
              f"{full}: cannot be read: {error}"
            ) from error
          relative = os.path.relpath(full, path).replace(os.sep, "/")
          found[relative] = size
    self.sizes = dict(sorted(found.items()))

  def read(self, name: str) -> bytes:
    """The bytes of a file.

    Raises:
      InputError: it cannot be read, or is larger than `MAX_FILE_BYTES`.
    """
    check_size(f"{self.place}/{name}", self.sizes[name])
    try:
      with open(os.path.join(self.place, name), "rb") as stream:
        return stream.read(MAX_FILE_BYTES)
    except OSError as error:
      raise errors.InputError(
        f"{self.place}/{name}: cannot be read: {error}"
      ) from error


class Tar:
  """The files of a tar archive that is not compressed; see `Tree`.

  Nothing is unpacked. A name that leads out of the archive, and a member that
  is neither a file nor a folder, are refused all the same: the archive is not
  what it should be.
  """

  def __init__(self, path: str):
    self.place = path
    found = {}
    self._offsets = {}
    try:
      # "r:" is without compression: else each read would start at the front.
      with tarfile.open(path, "r:") as archive:
        for member in archive:
          name = posixpath.normpath(member.name)
          if name.startswith(("/", "..")) or "\\" in name:
            raise errors.InputError(
              f"{path}: has a file named {member.name!r}, which leads out of it"
            )
          if member.isdir():
            continue
          if not member.isreg() or member.issparse():
            raise errors.InputError(
              f"{path}: {member.name!r} is a link or a device, not a file"
            )
          if name in found:
            raise errors.InputError(f"{path}: has {member.name!r} twice")
          if not any(part.startswith(".") for part in name.split("/")):
            found[name] = member.size
            self._offsets[name] = member.offset_data
    except (tarfile.TarError, OSError, EOFError) as error:
      raise errors.InputError(
        f"{path}: cannot be read as a tar archive without compression: {error}"
      ) from error
    self.sizes = dict(sorted(found.items()))

  def read(self, name: str) -> bytes:
    """The bytes of a file.

    Raises:
      InputError: it cannot be read, or is larger than `MAX_FILE_BYTES`.
    """
    size = self.sizes[name]
    check_size(f"{self.place}:{name}", size)
    try:
      # Opened each time, so that threads and processes need not share a place.
      with open(self.place, "rb") as stream:
        stream.seek(self._offsets[name])
        content = stream.read(size)
    except OSError as error:
      raise errors.InputError(
        f"{self.place}: cannot be read: {error}"
      ) from error
    if len(content) != size:
      raise errors.InputError(f"{self.place}: ends within {name}")
    return content


def open_tree(path: str) -> Tree:
  """Opens a folder or a tar archive.

  Raises:
    InputError: neither is there, or an archive that is damaged, compressed, or
      leads out of itself.
  """
  path = os.path.abspath(os.path.expanduser(path))
  if os.path.isdir(path):
    return Folder(path)
  if os.path.isfile(path):
    return Tar(path)
  raise errors.InputError(f"{path}: is no folder and no tar archive")


def check_size(place: str, size: int) -> None:
  """Raises InputError for a file that is too large to be a picture."""
  if size > MAX_FILE_BYTES:
    raise errors.InputError(
      f"{place}: has {size:,} bytes; at most {MAX_FILE_BYTES:,}"
    )
