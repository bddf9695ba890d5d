import numpy as np
import pytest

from taskrobust_jax.benchmarks import hardest_task_samples

MISSING, COMPLETE, TOO_SMALL = hardest_task_samples.CASES
# A seed for each of the band's twenty; fewer draws than the program's.
compare = lambda case, strategy: hardest_task_samples.compare(
  case, strategy, num_seeds=20, num_draws=40
)


@pytest.mark.parametrize("strategy", hardest_task_samples.STRATEGIES)
@pytest.mark.parametrize("case", [MISSING, TOO_SMALL], ids=lambda c: c.name)
def test_the_prediction_lies_in_the_band_of_twenty_seeds(case, strategy):
  row = compare(case, strategy)
  assert row["low"] <= row["predicted"] <= row["high"]
  # And the band is narrow enough to say something.
  assert row["high"] - row["low"] < 0.3 * row["predicted"]
  assert row["hardest"] == pytest.approx(row["predicted"], rel=0.05)
  assert row["mean"] == pytest.approx(row["predicted_mean"], rel=0.05)


def test_pretraining_reaches_the_excess_that_was_predicted():
  for strategy in hardest_task_samples.STRATEGIES:
    assert compare(MISSING, strategy)["excess_error"] < 0.15


def test_the_hardest_task_needs_fewer_samples_after_minimax():
  average, minimax = (
    compare(MISSING, s) for s in hardest_task_samples.STRATEGIES
  )
  assert minimax["high"] < 0.6 * average["low"]
  # The price is the mean over tasks.
  assert minimax["mean"] > average["mean"]


def test_minimax_does_not_help_where_no_direction_is_missing():
  rank, risk = COMPLETE.rank, COMPLETE.risk
  for strategy in hardest_task_samples.STRATEGIES:
    excess = hardest_task_samples.predict_excess(strategy, rank)
    assert excess == [0.0] * 6
    assert hardest_task_samples.predict_samples(0.0, rank, risk) == (
      pytest.approx(7 + 6 / 0.6)
    )


def test_minimax_harms_where_the_risk_is_too_small():
  average, minimax = (
    compare(TOO_SMALL, s) for s in hardest_task_samples.STRATEGIES
  )
  assert minimax["predicted"] == average["predicted"]
  assert minimax["hardest"] == pytest.approx(average["hardest"], rel=0.03)
  assert minimax["mean"] > 2 * average["mean"]


def test_the_level_of_minimax_is_met_by_a_projection():
  """Schur and Horn: the p_k = 1 - c / s_k^2 sum to r and lie in [0, 1]."""
  (level,) = set(hardest_task_samples.predict_excess("minimax", 5))
  shares = 1 - level / np.array(hardest_task_samples.STRENGTHS)
  assert shares.sum() == pytest.approx(5)
  assert 0 <= shares.min() <= shares.max() <= 1
  with pytest.raises(ArithmeticError, match="gives tasks up"):
    hardest_task_samples.predict_excess("minimax", 1)


def test_the_predicted_hardest_task_is_the_weakest():
  for case in hardest_task_samples.CASES:
    for strategy in hardest_task_samples.STRATEGIES:
      needed = [
        hardest_task_samples.predict_samples(excess, case.rank, case.risk)
        for excess in hardest_task_samples.predict_excess(strategy, case.rank)
      ]
      assert needed[-1] == max(needed)


def test_the_program_writes_its_table(tmp_path, monkeypatch):
  row = {
    "hardest": 1.0,
    "low": 1.0,
    "high": 1.0,
    "predicted": 1.0,
    "mean": 1.0,
    "predicted_mean": 1.0,
  }
  monkeypatch.setattr(hardest_task_samples, "compare", lambda *_: row)
  hardest_task_samples.main(str(tmp_path))
  assert (tmp_path / "hardest_task_samples.json").exists()
