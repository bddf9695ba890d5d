"""The counted operations are XLA's; the pipeline is read as training reads."""

import jax
import numpy as np

from taskrobust_jax.benchmarks import input as benchmark
from taskrobust_jax.models import bert
from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.transformer import TransformerOptions


def test_counted_operations_are_those_of_the_model():
  length, width, size, predictions = 64, 128, 500, 8
  options = bert.BertOptions(
    size,
    length,
    TransformerOptions(2, width, 2, 4 * width, dropout_rate=0.0, unroll=True),
  )
  init, apply = functional(lambda rngs: bert.Bert(options, rngs))
  params = jax.eval_shape(init, jax.random.key(0))
  row = np.zeros((1, length), np.int32)
  at = np.zeros((1, predictions), np.int32)
  lowered = jax.jit(apply).lower(params, row, row, row, at)
  forward = lowered.cost_analysis()["flops"]
  counted = benchmark.flops_a_row(
    length,
    num_layers=2,
    width=width,
    mlp_width=4 * width,
    vocabulary_size=size,
    num_predictions=predictions,
  )
  # XLA counts what is no matrix product too.
  assert 0.9 < counted / 3 / forward < 1.0


def test_bert_base_takes_what_its_shapes_say():
  found = benchmark.demand(512)
  # 6 operations a parameter and token, of 85 million in the layers, and more
  # for attention and the head.
  assert 1.0 < found["flops_a_row"] / (6 * 85e6 * 512) < 1.2
  assert found["rows_a_host"] * 4 == found["rows_a_slice"]


def test_rows_are_read():
  found = benchmark.read_rate(1024, 2)
  assert found["rows_a_second"] > 0
  assert 1_000 < found["bytes_a_row"] < 5 * 4 * 1024
