"""The grid of pictures is written."""

import numpy as np
from PIL import Image

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
  columns = np.flatnonzero(is_red.any(0))
  # Two columns and two lines of one size, and a gap in the last corner.
  middle = image.shape[1] // 2
  left, right = is_red[:, :middle], is_red[:, middle:]
  assert left.sum() > 1.8 * right.sum() > 0
  assert columns.size > image.shape[1] / 2
