"""Sources of pictures by name."""

import numpy as np
import pytest

from taskrobust_jax.data.pictures import image_sources
from taskrobust_jax.errors import InputError
from tests.data.pictures import picture_files

SIZES = {"seed": 0, "image_size": 16, "train_rows": 3, "eval_rows": 2}


def test_scenes_have_their_numbers():
  found = image_sources.open_sources(["scenes", "scenes"], **SIZES)
  assert [len(source) for source in found["train"]] == [3, 3]
  assert [len(source) for source in found["eval"]] == [2, 2]


def test_a_config_says_what_a_multimodal_folder_holds(tmp_path):
  folder = picture_files.write_folder(
    tmp_path,
    {
      f"{split}/{name}/a/x.png": make()
      for split in ("train", "val")
      for name, make in (
        ("rgb", picture_files.rgb),
        ("semseg", picture_files.semseg),
      )
    },
  )
  found = image_sources.open_sources(
    [f"multimodal_folder={folder}"],
    **SIZES,
    multimodal_folder={
      "modalities": ("rgb", "semseg"),
      "class_names": ("a", "b", "c"),
      "ignored": 2,
    },
  )
  for split in ("train", "eval"):
    (source,) = found[split]
    assert source.class_names == ("a", "b", "c")
    example = source.read(0)
    assert example.keys() == {"rgb", "semseg"}
    np.testing.assert_array_equal(np.unique(example["semseg"]), [-1, 0, 1])
  with pytest.raises(InputError, match="class_names: none are given"):
    image_sources.open_sources([f"multimodal_folder={folder}"], **SIZES)


@pytest.mark.parametrize(
  ("texts", "message"),
  [
    ("scenes", "'scenes' is not a list of KIND=PATH"),
    ([], "at least one"),
    (["camvd=/x"], "did you mean 'camvid'"),
    (["camvid"], "'camvid' is not scenes, tfds:NAME or KIND=PATH"),
    (["camvid=/none/x.tar"], "/none/x.tar"),
    (["tfds:no_such_dataset"], "no_such_dataset"),
  ],
)
def test_what_cannot_be_opened_is_named(texts, message):
  with pytest.raises(InputError, match=message):
    image_sources.open_sources(texts, **SIZES)
