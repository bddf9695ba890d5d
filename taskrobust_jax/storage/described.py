"""Arrays in words: what manifests hold and messages say."""

from typing import Any

import jax


def described(array: Any) -> str:
  """Dtype and shape, such as "float32[2, 3]"."""
  return f"{array.dtype}{list(array.shape)}"


def described_arrays(tree: Any) -> dict[str, str]:
  """Dtype and shape of every array of a tree, by path."""
  return {
    jax.tree_util.keystr(path): described(leaf)
    for path, leaf in jax.tree.leaves_with_path(tree)
  }
