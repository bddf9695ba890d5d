"""One fine-tuning run to its end, full and frozen, and how a step is chosen."""

import json

import jax
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.train import loaded, sharding
from taskrobust_jax.transfer import (
  features,
  fine_tuning,
  text_encoder,
  text_tasks,
)


@pytest.fixture(scope="module")
def model(pretrained):
  return loaded.load(pretrained)


@pytest.fixture(scope="module")
def encoder(model):
  return text_encoder.make_encoder(model, dropout_rate=0.0, dtype="float32")


@pytest.fixture(scope="module")
def encode(encoder):
  """The hidden states of rows, without dropout."""
  return jax.jit(lambda rows: encoder.encode(encoder.params, rows, None))


@pytest.fixture
def task(model, glue_dir, config):
  return text_tasks.make_task(
    "SST-2", str(glue_dir), model.tokenizer, config, width=16, max_length=16
  )


@pytest.mark.parametrize("mode", ["full", "frozen"])
def test_a_run_to_its_end(task, encoder, config, tmp_path, mode):
  config.mode = mode
  result = fine_tuning.FineTuner(task, encoder, config).run(0, 0, tmp_path)
  assert result["metrics"] == {"accuracy": result["score"]}
  expected = {
    "task": "SST-2",
    "seed": 0,
    "num_examples": 0,
    "score_name": "accuracy",
    "num_steps": 60,
    "num_train_rows": 32,
    "num_eval_rows": 12,
    "mode": mode,
  }
  assert {name: result[name] for name in expected} == expected
  assert result["step"] in (20, 40, 60)
  # A layer has 4 D^2 + 2 D mlp weights; attention adds 2 L D a token.
  encode = 2 * 16 * (4 * 16**2 + 2 * 16 * 32 + 2 * 16 * 16)
  head = 2 * 16 * (16 + 2)
  flops = 3 * (encode + head) * 60 * 16
  if mode == "frozen":
    flops = encode * 32 + 3 * head * 60 * 16
  assert result["model_flops"] == flops
  assert json.loads(json.dumps(result)) == result
  lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  judged = [row["step"] for row in rows if "verdict/accuracy" in row]
  assert judged == [20, 40, 60]
  if mode == "full":  # It learns what the first word says.
    assert result["score"] > 0.8
  # What the loop prints.
  assert "step 60/60" in (tmp_path / "log.txt").read_text()


def test_a_frozen_encoders_features_are_those_of_the_full_one(
  task, encoder, encode
):
  kept = features.Features(
    task.train, encoder, task.head, sharding.make_mesh(), batch_size=8
  )
  chosen = np.array([3, 4, 30, 7, 9, 11, 0, 1, 2])  # Not a whole batch.
  kept.compute(chosen)
  rows = kept.read(chosen[::-1])
  direct = task.train.read(chosen[::-1])
  hidden = encode(direct)
  np.testing.assert_allclose(
    rows["features"], task.head.features(hidden, direct), atol=1e-6
  )
  np.testing.assert_array_equal(rows["label"], direct["label"])


def test_features_are_computed_once(task, encoder):
  kept = features.Features(
    task.train, encoder, task.head, sharding.make_mesh(), batch_size=8
  )
  kept.compute(np.arange(8))
  kept.source = None  # Whoever reads a row again, fails.
  kept.compute(np.arange(8))
  assert kept.read([7])["features"].shape == (1, 16)
  with pytest.raises(AttributeError):
    kept.compute(np.arange(9))


def test_the_encoder_knows_no_padding(task, encode):
  rows = task.train.read([0, 1])
  shorter = dict(rows)
  for name in ("tokens", "token_types"):
    shorter[name] = rows[name][:, : rows["lengths"].max()]
  full, short = encode(rows), encode(shorter)
  np.testing.assert_allclose(full[:, : short.shape[1]], short, atol=1e-5)


def test_the_first_of_the_best_is_selected():
  judged = [
    (10, {"select/x": 0.5, "verdict/x": 0.9}),
    (20, {"select/x": 0.7, "verdict/x": 0.1}),
    (30, {"select/x": 0.7, "verdict/x": 0.2}),
  ]
  assert fine_tuning.select(judged, "select/x")[0] == 20
  assert fine_tuning.select([(1, {}), (2, {})], "select/x") == (2, {})


@pytest.mark.parametrize(
  ("name", "value", "message"),
  [
    ("mode", "half", "mode must be in"),
    ("num_epochs", 0.0, "num_epochs must be in"),
    ("least_steps", 1, "least_steps must be a whole number >= 2"),
    ("evaluation.select_share", 1.0, "evaluation.select_share must be in"),
    ("optimizer.warmup_share", -0.1, "optimizer.warmup_share must be in"),
    ("evaluation.times", 0, "evaluation.times must be"),
  ],
)
def test_illegal_values_are_named(config, name, value, message):
  config.update_from_flattened_dict({name: value})
  with pytest.raises(InputError, match=message):
    fine_tuning.check_config(config)
