"""The configs of the runs that references are made from."""

from taskrobust_jax import reference_runs
from tests.train import toy


def test_a_reference_run_gives_each_task_the_rows_it_has_in_plain_training():
  config = toy.config(
    "signal=ema,decay=0.9", tasks__budget="rows_by_weight", tasks__min_rows=2
  )
  for made in (reference_runs.averaged(config), single(config)):
    assert made.tasks.budget == "rows"
    assert made.tasks.min_rows == 0
    assert made.evaluation.patience == 0
  assert config.tasks.budget == "rows_by_weight"
  assert single(config).minimax.weights == (0.0, 1.0, 0.0, 0.0)
  other = toy.config(tasks__budget="every_row")
  assert single(other).tasks.budget == "every_row"


def single(config):
  return reference_runs.of_one_task(config, 1, 4)
