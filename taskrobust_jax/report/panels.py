"""A grid of pictures: what is true, what was shown, what each run predicts."""

from collections.abc import Mapping, Sequence
import pathlib
from typing import NamedTuple

import numpy as np

_SIDE = 1.75  # Inches of a picture.
_GREY = "#777777"


class Row(NamedTuple):
  """A row of a grid.

  Attributes:
    title: What stands at its left.
    pictures: Column -> [H, W, 3] in [0, 1]; a column may have none.
    captions: Column -> what stands under its picture.
    bold: Columns whose caption is bold.
  """

  title: str
  pictures: Mapping[str, np.ndarray]
  captions: Mapping[str, str] = {}
  bold: frozenset[str] = frozenset()


def write_panels(
  rows: Sequence[Row], note: str, path: str | pathlib.Path
) -> None:
  """Writes a PNG with a line of pictures for each row.

  Args:
    rows: the first one names the columns.
    note: what stands under the grid.
    path: the PNG file to write.
  """
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  columns = list(rows[0].pictures)
  figure = Figure(
    figsize=(_SIDE * len(columns) + 0.6, (_SIDE + 0.2) * len(rows) + 0.5),
    dpi=130,
    layout="constrained",
  )
  figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
  FigureCanvasAgg(figure)
  grid = figure.subplots(len(rows), len(columns), squeeze=False)
  for row, line in zip(rows, grid, strict=True):
    for column, axes in zip(columns, line, strict=True):
      axes.set(xticks=[], yticks=[])
      axes.spines[:].set_visible(False)
      if column in row.pictures:
        # Of one size, so that no column is wider than another.
        axes.imshow(
          row.pictures[column], interpolation="nearest", extent=(0, 1, 0, 1)
        )
      else:
        axes.set(aspect="equal", xlim=(0, 1), ylim=(0, 1))
      if row is rows[0]:
        axes.set_title(column, fontsize=11)
      axes.set_xlabel(
        row.captions.get(column, ""),
        fontsize=9,
        fontweight="bold" if column in row.bold else "normal",
        color="black" if column in row.bold else _GREY,
      )
    line[0].set_ylabel(row.title, fontsize=11)
  figure.supxlabel(note, fontsize=9, color=_GREY)
  figure.savefig(path)
