"""The sources of pictures by name, as a config writes them: KIND=PATH."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taskrobust_jax import errors
from taskrobust_jax.data import prepared
from taskrobust_jax.data.pictures import (
  image_examples,
  image_folders,
  scene_dataset,
  tfds_images,
)

SCENES = "scenes"
# Kind -> (function of (path, split), its training and held-out split).
FOLDERS: dict[str, tuple[Callable, tuple[str, str]]] = {
  "multimodal_folder": (image_folders.multimodal_folder, ("train", "val")),
  "image_folder": (image_folders.image_folder, ("train", "val")),
  "imagenet_s": (image_folders.imagenet_s, ("train-semi", "validation")),
  "camvid": (image_folders.camvid, ("train", "val")),
  "tum_rgbd": (image_folders.tum_rgbd, ("train", "val")),
}


def open_sources(
  texts: Sequence[str],
  *,
  seed: int,
  image_size: int,
  train_rows: int,
  eval_rows: int,
  multimodal_folder: Mapping[str, Any] | None = None,
) -> dict[str, list[image_examples.Source]]:
  """Opens the sources of both splits.

  Args:
    texts: each KIND=PATH with a key of `FOLDERS`, "tfds:NAME" (its splits train
      and validation), or "scenes".
    seed: of scenes.
    image_size: of scenes, in pixels.
    train_rows: of scenes.
    eval_rows: of scenes.
    multimodal_folder: arguments of `image_folders.multimodal_folder`.

  Returns:
    {"train": sources, "eval": sources}, in the order of the texts.

  Raises:
    InputError: an unknown kind, no source, or files that are not there.
  """
  if isinstance(texts, str) or not texts:
    raise errors.InputError(
      f"data.sources: {texts!r} is not a list of KIND=PATH, at least one"
    )
  scenes = {
    "train": (seed, "train", train_rows, image_size),
    "eval": (seed, "eval", eval_rows, image_size),
  }
  found = {"train": [], "eval": []}
  for text in texts:
    train, held_out = _open(text, scenes, multimodal_folder or {})
    found["train"].append(train)
    found["eval"].append(held_out)
  return found


def _open(text, scenes, multimodal_folder):
  """(training, held-out) source of one text."""
  if text == SCENES:
    return tuple(
      scene_dataset.SceneExamples(*arguments) for arguments in scenes.values()
    )
  if text.startswith(prepared.PREFIX):
    name = text.removeprefix(prepared.PREFIX)
    return tuple(
      tfds_images.TfdsImages(name, split) for split in ("train", "validation")
    )
  kind, has_path, path = text.partition("=")
  if kind not in FOLDERS or not has_path:
    raise errors.InputError(
      f"data.sources: {text!r} is not {SCENES}, {prepared.PREFIX}NAME or "
      f"KIND=PATH with KIND in {', '.join(FOLDERS)}"
      f"{errors.did_you_mean(kind, FOLDERS)}"
    )
  make, (train_split, eval_split) = FOLDERS[kind]
  arguments = multimodal_folder if kind == "multimodal_folder" else {}
  train = make(path, train_split, **arguments)
  if kind == "image_folder":
    # The same labels, whatever classes the held-out folder has.
    arguments = {"label_names": train.label_names}
  return train, make(path, eval_split, **arguments)
