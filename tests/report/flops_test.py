"""The arithmetic of pre-training, from a config."""

import math

import pytest

from configs import pos_bert_smoke
from taskrobust_jax.report import flops


def of(text="", budget="rows"):
  config = pos_bert_smoke.get_config(text).to_dict()
  config["tasks"]["budget"] = budget
  return flops.of_example(config)


def test_a_pass_for_each_task_where_every_row_serves_all():
  assert of(budget="every_row") == 4 * of()
  assert of(budget="one_input") == of()
  assert math.isnan(of("split=word_frequency:8", "every_row"))


def test_what_is_predicted_costs_and_denoisers_predict_more():
  assert of("split=denoisers") > of()


def test_a_config_of_another_kind_has_none():
  assert math.isnan(flops.of_example({"tasks": {"kind": "other"}}))


def test_by_hand():
  config = {
    "data": {"row_length": 10, "vocabulary_size": 100},
    "tasks": {
      "kind": "masked_language",
      "hiding": "word_groups",
      "budget": "rows",
      "max_share": 0.2,
    },
    "model": {"width": 4, "mlp_width": 8, "num_layers": 3},
  }
  dense = 2 * 10 * (4 * 4 * 4 + 2 * 4 * 8)  # Attention's four, the MLP's two.
  attention = 2 * 2 * 10 * 10 * 4  # Scores, then the values' mean.
  head = 2 * 2 * 4 * (4 + 100)  # Two places.
  assert flops.of_example(config) == pytest.approx(
    3 * (3 * (dense + attention) + head)
  )
