import numpy as np
import pytest

from taskrobust_jax.report import summary
from taskrobust_jax.report.results import read_fine_tuning
from taskrobust_jax.report.study import make_study


def make(*folders):
  return make_study(list(map(read_fine_tuning, folders)))


def test_numbers_of_a_method_by_hand(write_fine_tuning):
  study = make(
    write_fine_tuning("a", {"cola": [0.2, 0.6], "sst2": [0.5, 0.5]}),
    write_fine_tuning(
      "r", {"cola": [0.0, 0.0], "sst2": [0.3, 0.3]}, init="random"
    ),
  )
  found = summary.summarise(study, study.scores[0])
  assert [e.value for e in found.cells] == pytest.approx([0.4, 0.5])
  assert found.cells[0][1:] == pytest.approx((0.2, 0.6))
  assert found.worst.value == pytest.approx(0.4)
  assert found.worst_cell == 0
  assert found.worst_mean.value == pytest.approx((0.2 + 0.5) / 2)
  assert found.mean.value == pytest.approx(0.45)
  assert found.spread == pytest.approx(0.1)
  # Normalised: cola by .4, sst2 from .3 by .2.
  assert found.normalised_worst.value == pytest.approx(1.0)
  assert found.normalised_worst_mean.value == pytest.approx((0.5 + 1.0) / 2)


def test_one_seed_has_no_interval(write_fine_tuning):
  study = make(write_fine_tuning("a", {"cola": [0.2], "sst2": [0.5]}))
  found = summary.summarise(study, study.scores[0])
  assert np.isnan(found.worst.low)
  assert found.normalised_worst is None


def test_pairs_have_equal_seeds(write_fine_tuning):
  study = make(
    write_fine_tuning("a", {"cola": [0.1, 0.2, 0.3]}),
    write_fine_tuning("b", {"cola": [0.2, 0.3, None]}, strategy="cvar"),
    write_fine_tuning("r", {"cola": [0.0]}, init="random"),
  )
  tests = summary.paired_tests(study)
  assert [(t.method, t.of) for t in tests] == [
    ("cvar", "cola"),
    ("cvar", "worst task"),
    ("cvar", "mean"),
  ]
  assert tests[0].num_pairs == 2
  assert tests[0].difference == pytest.approx(0.1)
  (line,) = summary.findings(study, tests)
  assert line.startswith("cvar against uniform: worst task not tested (all")


def test_pairs_of_one_checkpoint_are_averaged(write_fine_tuning):
  folders = []
  for seed, step in ((0, 0.1), (1, 0.2), (2, 0.6)):
    folders += [
      write_fine_tuning(f"a{seed}", {"cola": [0.1, 0.3]}, seed=seed),
      write_fine_tuning(
        f"b{seed}",
        {"cola": [0.1 + step, 0.3 + step]},
        seed=seed,
        strategy="cvar",
      ),
    ]
  test = summary.paired_tests(make(*folders))[0]
  assert (test.num_pairs, test.num_units) == (6, 3)
  # Differences .1 .2 .6: t = .3 / (sqrt(.07) / sqrt(3)), 2 degrees of freedom.
  t = 0.3 / np.sqrt(0.07 / 3)
  assert test.p_value == pytest.approx(1 - t / np.sqrt(t**2 + 2), rel=1e-6)
  assert test.corrected == pytest.approx(3 * test.p_value)


def test_findings_say_what_was_found_and_what_was_not(write_fine_tuning):
  first = {"cola": [0.1, 0.2, 0.3, 0.4], "sst2": [0.9, 0.8, 0.9, 0.8]}
  better = {"cola": [0.31, 0.4, 0.5, 0.6], "sst2": [0.8, 0.9, 0.9, 0.8]}
  study = make(
    write_fine_tuning("a", first),
    write_fine_tuning("b", better, strategy="cvar"),
    write_fine_tuning(
      "c", {**first, "sst2": [0.8, 0.9, 0.9, 0.8]}, strategy="famo"
    ),
  )
  cvar, famo = summary.findings(study, summary.paired_tests(study))
  assert "worst task +0.203, higher (p < 0.001)" in cvar
  assert cvar.endswith("Single tasks that differ: cola +0.203.")
  assert "worst task +0.000, no difference found (p = 1.000)" in famo
  assert "Single" not in famo


def test_warnings_name_what_is_unequal(write_fine_tuning):
  study = make(
    write_fine_tuning("a", {"cola": [0.1, 0.2, 0.3]}),
    write_fine_tuning(
      "b",
      {"cola": [0.1, 0.2]},
      strategy="cvar",
      pretrained={"num_examples": 5000},
      result={"num_steps": 9},
      selection="the best step",
    ),
  )
  summaries = [summary.summarise(study, s) for s in study.scores]
  text = "\n".join(summary.warnings(study, summaries))
  assert "uniform has one pre-training seed and 3 of fine-tuning" in text
  assert "cvar has 2 of the 3 or more seeds" in text
  assert "pre-training examples: uniform 1,000; cvar 5,000." in text
  assert "Unequal budgets: cola has 5, 9 steps of fine-tuning." in text
  assert "Unequal selection: the best step; the last step." in text


def test_equal_runs_with_seeds_give_no_warning(write_fine_tuning):
  study = make(
    *(
      write_fine_tuning(f"{s}{n}", {"cola": [0.1 * n]}, seed=n, strategy=s)
      for s in ("uniform", "cvar")
      for n in range(3)
    )
  )
  summaries = [summary.summarise(study, s) for s in study.scores]
  assert summary.warnings(study, summaries) == []


def test_a_best_score_within_the_random_one_s_noise_is_named(write_fine_tuning):
  study = make(
    write_fine_tuning("a", {"cola": [0.35]}),
    write_fine_tuning("r", {"cola": [0.1, 0.5]}, init="random"),
  )
  summaries = [summary.summarise(study, s) for s in study.scores]
  lines = summary.warnings(study, summaries)
  assert any("Normalised scores of cola are noise" in line for line in lines)
