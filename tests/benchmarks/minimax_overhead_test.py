"""The benchmark compares steps that differ in nothing but the adversary."""

import pytest

from taskrobust_jax.benchmarks import minimax_overhead as benchmark


@pytest.mark.ci
@pytest.mark.parametrize("strategy", ["mirror_ascent", "gradnorm"])
def test_the_cost_of_a_step(monkeypatch, strategy):
  for name, value in {"VOCABULARY_SIZE": 256, "WIDTH": 32}.items():
    monkeypatch.setattr(benchmark, name, value)
  row = benchmark.compare(4, 6, strategy)
  # Scalars, and norms of gradients, weigh more beside so small a model.
  if strategy == "gradnorm":
    assert 1 < row["flops"] < 1.1
  else:
    assert row["flops"] == pytest.approx(1, abs=5e-3)
    assert row["bytes"] == pytest.approx(1, abs=5e-3)
