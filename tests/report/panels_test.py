"""The grid of pictures is written."""

import numpy as np
from PIL import Image
from scipy import ndimage

from taskrobust_jax.report.panels import Row, write_panels


def test_a_grid_has_a_line_for_each_row_and_may_have_gaps(tmp_path):
  picture = np.full((8, 8, 3), (1.0, 0.0, 0.0))
  rows = [
    Row("true", {"rgb": picture, "depth": picture[:4, :4]}),
    Row("run", {"rgb": picture}, {"rgb": "0.5"}, frozenset(["rgb"])),
  ]
  path = tmp_path / "grid.png"
  write_panels(rows, "a note", path)
  image = np.asarray(Image.open(path).convert("RGB"))
  is_red = (image == (255, 0, 0)).all(-1)
  places, count = ndimage.label(is_red)
  assert count == 3
  sizes = np.bincount(places.ravel())[1:]
  # Of one size, whatever their pixels: the last corner is empty.
  assert np.ptp(sizes) < 0.05 * sizes.max()
  assert sizes.sum() > 0.3 * is_red.size
