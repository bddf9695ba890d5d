"""The configs of the runs that references are made from."""

import numpy as np
import pytest

from configs import multimae_smoke
from taskrobust_jax import reference_runs
from taskrobust_jax.errors import InputError
from tests.train import toy


def test_references_have_equal_rows_or_one_task_has_the_batch():
  config = toy.config(
    "signal=ema,decay=0.9", tasks__budget="rows_by_weight", tasks__min_rows=2
  )
  averaged, alone = reference_runs.averaged(config), single(config)
  assert (averaged.tasks.budget, averaged.tasks.min_rows) == ("rows", 0)
  assert (alone.tasks.budget, alone.tasks.min_rows) == ("rows_by_weight", 1)
  assert alone.minimax.weights == (0.0, 1.0, 0.0, 0.0)
  for made in (averaged, alone):
    assert made.evaluation.patience == 0
  assert (config.tasks.budget, config.tasks.min_rows) == ("rows_by_weight", 2)
  # Here every task has every row already.
  other = toy.config(tasks__budget="every_row")
  assert single(other).tasks.budget == "every_row"
  # Pictures have no budget: every modality is in every row.
  pictures = multimae_smoke.get_config()
  assert single(pictures).tasks == pictures.tasks
  assert single(pictures).minimax.weights == (0.0, 1.0, 0.0, 0.0)


def test_a_task_without_a_loss_has_no_curve():
  series = {"a": (np.arange(2), np.ones(2)), "b": (np.arange(0), np.ones(0))}
  with pytest.raises(InputError, match=r"the task b: .*evaluation\.max_rows"):
    reference_runs.curve(series, 1)


def single(config):
  return reference_runs.of_one_task(config, 1, 4)
