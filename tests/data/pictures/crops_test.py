"""All modalities are cropped alike; a mirror image is one of the scene."""

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import crops, scenes


def coordinates(height=60, width=90):
  """A picture whose modalities all say where a pixel comes from."""
  rows, columns = np.mgrid[:height, :width]
  x = (columns - width / 2) / width
  y = (rows - height / 2) / height
  return {
    "rgb": np.stack([rows * 4, columns * 2, 0 * rows], -1).astype(np.uint8),
    "depth": (rows * 1000 + columns).astype(np.float32),
    "normals": np.stack([x, y, -np.sqrt(1 - x * x - y * y)], -1).astype(
      np.float32
    ),
    "semseg": (rows * 1000 + columns).astype(np.int32),
    "label": np.int32(7),
  }


@pytest.mark.parametrize("key", [(0, 0), (0, 1), (5, 2**40), (1, 2, 3)])
def test_all_modalities_show_the_same_part(key):
  original = coordinates()
  seen = crops.random_crop(key, original, 48)
  rows, columns = seen["semseg"] // 1000, seen["semseg"] % 1000
  assert seen["semseg"].shape == (48, 48)
  assert (seen["depth"] == seen["semseg"]).all()
  is_flipped = columns[0, 0] > columns[0, -1]
  normals = original["normals"][rows, columns]
  if is_flipped:
    normals = normals * [-1, 1, 1]
  assert (seen["normals"] == normals.astype(np.float32)).all()
  # Colours are means over pixels around the nearest one.
  inner = np.s_[4:-4, 4:-4]
  assert abs(seen["rgb"][inner][..., 0] - 4.0 * rows[inner]).max() <= 6
  assert abs(seen["rgb"][inner][..., 1] - 2.0 * columns[inner]).max() <= 4
  assert seen["label"] == 7
  steps = np.diff(columns[0])
  assert (steps <= 0).all() if is_flipped else (steps >= 0).all()


def test_equal_keys_give_equal_crops_and_others_differ():
  original = coordinates()
  places = set()
  flips = 0
  for i in range(400):
    seen = crops.random_crop((3, i), original, 16)
    again = crops.random_crop((3, i), original, 16)
    assert all((seen[name] == again[name]).all() for name in seen)
    places.add(seen["semseg"].tobytes())
    flips += seen["semseg"][0, 0] > seen["semseg"][0, -1]
  assert len(places) > 390
  assert 160 < flips < 240
  always = crops.random_crop((3, 0), original, 16, flip=1.0)["semseg"]
  never = crops.random_crop((3, 0), original, 16, flip=0.0)["semseg"]
  assert (always[:, ::-1] == never).all()


def test_parts_have_the_areas_and_ratios_that_were_asked_for():
  # Large enough that the first and last nearest pixel tell the part.
  rows, columns = np.mgrid[:200, :300]
  original = {"semseg": rows * 1000 + columns}
  shares, stretches = [], []
  for i in range(300):
    seen = crops.random_crop((0, i), original, 400, scale=(0.3, 0.6), flip=0)
    values = seen["semseg"]
    high = values[-1, 0] // 1000 - values[0, 0] // 1000 + 1
    wide = values[0, -1] - values[0, 0] + 1
    shares.append(high * wide / 60_000)
    stretches.append(wide / high)
  assert 0.29 < min(shares) < 0.32
  assert 0.58 < max(shares) < 0.61
  assert 0.74 < min(stretches) < 0.8
  assert 1.25 < max(stretches) < 1.35


def test_two_mirrors_are_none():
  original = coordinates()
  box = crops.Box(0, 0, 60, 90)
  once = crops.crop(original, box, (60, 90), is_flipped=True)
  assert (once["semseg"] == original["semseg"][:, ::-1]).all()
  assert (once["rgb"] == original["rgb"][:, ::-1]).all()
  twice = crops.crop(once, box, (60, 90), is_flipped=True)
  assert all((twice[name] == original[name]).all() for name in original)
  assert (original["normals"] == coordinates()["normals"]).all()


def test_normals_stay_unit_vectors_and_missing_values_missing():
  original = scenes.make(0, 3, 64)
  missing = np.isnan(original["depth"])
  assert missing.any()
  for key in range(20):
    seen = crops.random_crop((key,), original, 40)
    gone = np.isnan(seen["depth"])
    assert (seen["semseg"][gone] == 0).all()
    assert (seen["normals"][gone] == 0).all()
    length = np.linalg.norm(seen["normals"][~gone], axis=-1)
    assert length == pytest.approx(1, abs=1e-5)
    assert set(np.unique(seen["semseg"])) <= set(np.unique(original["semseg"]))


def test_small_pictures_of_large_ones_are_no_samples_but_means():
  # A checkerboard of single pixels is grey from afar.
  checker = np.indices((128, 128)).sum(0) % 2 * 255
  original = {"rgb": np.repeat(checker[..., None], 3, -1).astype(np.uint8)}
  seen = crops.fit(original, (16, 16))["rgb"]
  assert abs(seen[2:-2, 2:-2] - 127.5).max() < 8


def test_the_nearest_pixel_is_the_one_at_the_middle():
  original = {"semseg": np.arange(16).reshape(4, 4)}
  seen = crops.fit(original, (2, 2))["semseg"]
  assert seen.tolist() == [[5, 7], [13, 15]]
  larger = crops.fit({"semseg": seen}, (4, 4))["semseg"]
  assert larger[0].tolist() == [5, 5, 7, 7]


def test_the_middle():
  original = coordinates()
  seen = crops.fit(original, (60, 60))["semseg"]
  assert (seen == original["semseg"][:, 15:75]).all()
  seen = crops.fit(original, (20, 90))["semseg"]
  assert (seen == original["semseg"][20:40]).all()
  same = crops.fit(original, (60, 90))
  assert all(same[name] is original[name] for name in original)


def test_a_long_picture_is_cropped_within_the_ratios():
  original = {"semseg": np.arange(5 * 100).reshape(5, 100)}
  seen = crops.random_crop((0,), original, 8, scale=(0.9, 1.0), flip=0)
  columns = seen["semseg"] % 100
  assert columns.max() - columns.min() < 8
  assert columns.min() > 40


def test_batches_are_cropped_row_by_row():
  batch = {k: np.stack([v, v]) for k, v in coordinates().items()}
  batch["has_depth"] = np.array([True, False])
  seen = crops.random_crops([(0, 1), (0, 2)], batch, 24)
  for i in range(2):
    alone = crops.random_crop((0, i + 1), coordinates(), 24)
    assert all((seen[name][i] == alone[name]).all() for name in alone)
  assert seen["has_depth"].tolist() == [True, False]


def test_bad_arguments_name_themselves():
  original = coordinates()
  crop = lambda **arguments: crops.random_crop((0,), original, 8, **arguments)
  for call, text in [
    (lambda: crop(scale=(0, 1)), r"scale: \(0, 1\) is not 0 < low"),
    (lambda: crop(scale=(0.5, 1.5)), "scale: "),
    (lambda: crop(ratio=(2, 1)), r"ratio: \(2, 1\)"),
    (lambda: crop(flip=1.5), "flip: 1.5 is not in 0 to 1"),
    (lambda: crops.random_crop((0,), original, 0), "size: .0, 0. is not"),
    (lambda: crops.fit({"label": 3}, (8, 8)), r"\['label'\]; one of"),
    (
      lambda: crops.fit({**original, "depth": np.zeros((2, 2))}, (8, 8)),
      r"differ in height and width: .*'depth': \(2, 2\)",
    ),
    (lambda: crops.random_crops([], {"rgb": np.zeros(3)}, 8), "keys: 0 for 3"),
  ]:
    with pytest.raises(errors.InputError, match=text):
      call()
