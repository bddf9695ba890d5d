"""Sources of pictures by name."""

import pytest

from taskrobust_jax.data import image_sources
from taskrobust_jax.errors import InputError

SIZES = {"seed": 0, "image_size": 16, "train_rows": 3, "eval_rows": 2}


def test_scenes_have_their_numbers():
  found = image_sources.open_sources(["scenes", "scenes"], **SIZES)
  assert [len(source) for source in found["train"]] == [3, 3]
  assert [len(source) for source in found["eval"]] == [2, 2]


@pytest.mark.parametrize(
  ("texts", "message"),
  [
    ("scenes", "'scenes' is not a list of KIND=PATH"),
    ([], "at least one"),
    (["camvd=/x"], "did you mean camvid=PATH"),
    (["camvid"], "'camvid' is not scenes, tfds:NAME or KIND=PATH"),
    (["camvid=/none/x.tar"], "/none/x.tar"),
    (["tfds:no_such_dataset"], "no_such_dataset"),
  ],
)
def test_what_cannot_be_opened_is_named(texts, message):
  with pytest.raises(InputError, match=message):
    image_sources.open_sources(texts, **SIZES)
