import struct

import numpy as np
import pytest

from taskrobust_jax.report import figures
from taskrobust_jax.report.read import read_runs


def _size(png):
  assert png[:8] == b"\x89PNG\r\n\x1a\n"
  return struct.unpack(">II", png[16:24])


@pytest.mark.parametrize("num_runs", [1, 2])
def test_writes_a_png(two_runs, tmp_path, num_runs):
  path = tmp_path / "report.png"
  figures.write_figure(read_runs(two_runs[:num_runs]), path)
  assert _size(path.read_bytes()) == (1820, 598)


def test_survives_many_tasks_null_losses_and_missing_weights(
  write_run, tmp_path
):
  names = [f"task{i}" for i in range(9)]
  folder = write_run("many", [[2, 1]] * 9, [[1 / 9, 1 / 9]] * 9, names)
  file = folder / "metrics.jsonl"
  kept = [x for x in file.read_text().splitlines() if "train/weight" not in x]
  kept.append('{"step": 20, "eval/loss/task3": null}')
  file.write_text("\n".join(kept) + "\n")
  figures.write_figure(read_runs([folder]), tmp_path / "report.png")


def test_first_run_is_dashed_and_last_run_is_solid():
  assert figures._run_styles(1) == ["-"]
  assert figures._run_styles(2) == ["--", "-"]
  assert figures._run_styles(4) == ["--", ":", "-.", "-"]


def test_only_runs_with_moving_weights_count_as_adaptive(two_runs):
  average, minimax = read_runs(two_runs)
  assert figures._is_constant(average)
  assert not figures._is_constant(minimax)


def test_end_labels_do_not_touch():
  from matplotlib.figure import Figure

  axes = Figure().subplots()
  axes.set_ylim(0, 1)
  ends = [0.5, 0.501, 0.502, 0.9]
  labels = [
    (str(i), (np.zeros(2), np.array([end, np.nan])), "black")
    for i, end in enumerate(ends)
  ]
  figures._label_ends(axes, labels)
  places = [text.xy[1] for text in axes.texts]
  assert [text.get_text() for text in axes.texts] == ["0", "1", "2", "3"]
  assert np.diff(places).min() >= 0.05 - 1e-6
  assert places[3] == pytest.approx(0.9)
