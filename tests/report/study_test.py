import json

import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.report import study as study_lib
from taskrobust_jax.report.results import read_fine_tuning


def make(*folders, best_known=None):
  return study_lib.make_study(list(map(read_fine_tuning, folders)), best_known)


def test_seeds_of_pre_training_are_replicates_of_one_method(write_fine_tuning):
  study = make(
    write_fine_tuning("a0", {"cola": [0.1, 0.2], "sst2": [0.5, 0.6]}),
    write_fine_tuning(
      "b0",
      {"cola": [0.3, 0.4], "sst2": [0.7, 0.8]},
      strategy="cvar(fraction=0.5)",
    ),
    write_fine_tuning("a1", {"cola": [0.2, 0.3], "sst2": [0.4, 0.5]}, seed=1),
  )
  assert [s.method.name for s in study.scores] == ["uniform", "cvar"]
  assert [cell.name for cell in study.cells] == ["cola", "sst2"]
  averaged, _ = study.scores
  assert averaged.groups == [0, 0, 1, 1]
  np.testing.assert_array_equal(
    averaged.values, [[0.1, 0.5], [0.2, 0.6], [0.2, 0.4], [0.3, 0.5]]
  )
  assert study.left_out == ()
  assert study.floor is None
  assert not study.can_normalise.any()


def test_methods_of_one_strategy_are_named_by_what_they_differ_in(
  write_fine_tuning,
):
  folders = [
    write_fine_tuning(
      f"lr{rate}", {"cola": [0.1]}, config={"learning_rate": rate}
    )
    for rate in (0.1, 0.2)
  ]
  names = [s.method.name for s in make(*folders).scores]
  assert names == ["uniform learning_rate=0.1", "uniform learning_rate=0.2"]


def test_normalised_scores_by_hand(write_fine_tuning):
  folders = [
    write_fine_tuning("a", {"cola": [0.3], "sst2": [0.8], "wnli": [0.5]}),
    write_fine_tuning(
      "b", {"cola": [0.5], "sst2": [0.7], "wnli": [0.4]}, strategy="cvar"
    ),
    write_fine_tuning(
      "r", {"cola": [0.1], "sst2": [0.6], "wnli": [0.6]}, init="random"
    ),
  ]
  study = make(*folders)
  assert study.scores[2].method.name == "random init"
  np.testing.assert_array_equal(study.can_normalise, [True, True, False])
  found = study.normalised(study.scores[0].values)
  np.testing.assert_allclose(found, [[0.5, 1.0]])
  study = make(*folders, best_known={"sst2": 1.0, "other": 3.0})
  found = study.normalised(study.scores[0].values)
  np.testing.assert_allclose(found, [[0.5, 0.5]])
  np.testing.assert_array_equal(study.best_is_given, [False, True, False])


def test_sizes_are_tasks_of_their_own(write_fine_tuning):
  folder = write_fine_tuning("a", {("cola", 100): [0.1], ("cola", 0): [0.4]})
  study = make(folder)
  names = [cell.name for cell in study.cells]
  assert names == ["cola", "cola, 100 examples"]
  np.testing.assert_array_equal(study.scores[0].values, [[0.4, 0.1]])


def test_a_seed_that_lacks_a_task_is_left_out_and_named(write_fine_tuning):
  study = make(
    write_fine_tuning("a", {"cola": [0.1, 0.2], "sst2": [0.5, None]}),
    write_fine_tuning(
      "b", {"cola": [0.3, 0.4], "sst2": [0.7, 0.8]}, strategy="cvar"
    ),
  )
  assert [len(s.replicates) for s in study.scores] == [1, 2]
  unfinished, lacking = study.left_out
  assert "a/sst2/all/seed1 is not finished" in unfinished
  assert lacking == "uniform, pre-training seed 0, seed 1: it lacks sst2"


def test_a_task_that_a_method_lacks_is_left_out_and_named(write_fine_tuning):
  study = make(
    write_fine_tuning("a", {"cola": [0.1], "sst2": [0.5]}),
    write_fine_tuning("b", {"cola": [0.3]}, strategy="cvar"),
  )
  assert [cell.name for cell in study.cells] == ["cola"]
  assert study.left_out == ("task sst2: there is no result of cvar",)


@pytest.mark.parametrize(
  ("result", "message"),
  [
    ({"score_name": "f1"}, "f1 of 50 rows, the first result of this task"),
    ({"num_eval_rows": 7}, "accuracy of 7 rows"),
    ({"task": "sst2"}, "result.json is of sst2, seed 0"),
    ({"num_examples": 9}, "result.json is of cola, 9 examples, seed 0"),
    ({"score": None}, "it was not finite"),
  ],
)
def test_mixed_results_are_left_out_and_named(
  write_fine_tuning, result, message
):
  study = make(
    write_fine_tuning("a", {"cola": [0.1]}),
    write_fine_tuning("b", {"cola": [0.3]}, seed=1, result=result),
  )
  assert [len(s.replicates) for s in study.scores] == [1]
  assert any(message in line for line in study.left_out)


def test_one_seed_is_never_counted_twice(write_fine_tuning):
  study = make(
    write_fine_tuning("a", {"cola": [0.1]}),
    write_fine_tuning("b", {"cola": [0.3]}),
  )
  np.testing.assert_array_equal(study.scores[0].values, [[0.1]])
  assert "b: cola, seed 0 is there twice" in study.left_out[0]


def test_nothing_to_compare_is_an_error_that_says_why(write_fine_tuning):
  folder = write_fine_tuning("a", {"cola": [None]})
  with pytest.raises(InputError, match="cola/all/seed0 is not finished"):
    make(folder)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"score": "high"}, "score is 'high'"),
    ({"score": 10**400}, "score is 1000"),
    ({"num_train_rows": -1}, "num_train_rows is -1"),
    ({"seed": True}, "seed is True"),
    ({"task": 3}, "task is 3"),
  ],
)
def test_results_of_another_form_are_refused(
  write_fine_tuning, change, message
):
  folder = write_fine_tuning("a", {"cola": [0.1]})
  file = folder / "cola/all/seed0/result.json"
  file.write_text(json.dumps(json.loads(file.read_text()) | change))
  with pytest.raises(InputError, match=rf"result\.json: {message}"):
    read_fine_tuning(folder)
