"""The pieces of a BERT step, each as a program of its own."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict
import numpy as np
import optax

from taskrobust_jax import minimax
from taskrobust_jax.benchmarks import models
from taskrobust_jax.planning.flops import count_flops

PIECES = ("encoder", "head", "loss", "adversary", "update", "input")


class Piece(NamedTuple):
  """A piece.

  Attributes:
    name: Of it.
    run: Runs it to its end.
    flops: In its products of matrices.
    num_bytes: That it must read and write at least: arguments and results.
  """

  name: str
  run: Callable[[], Any]
  flops: int
  num_bytes: int


def pieces(config: ConfigDict, num_rows: int) -> Iterator[Piece]:
  """Yields encoder, head, loss, adversary, update and input of a step.

  The first three are forward and backward passes with made-up inputs of the
  step's shapes, and the gradients of what they take in.

  Args:
    config: From `models.bert_config`.
    num_rows: B.
  """
  work = models.workload(config, num_rows)
  suite, batch = work.suite, work.batch
  model = suite.apply
  params = jax.jit(work.init_params)(jax.random.key(0))
  dtype = config.model.dtype
  width, num_targets = config.model.width, work.positions
  keys = jax.random.split(jax.random.key(1), num_rows)

  def encode(params):
    hidden = model(
      params,
      batch["tokens"],
      batch["segment_ids"],
      batch["positions"],
      keys,
      method="encode",
    )
    return hidden.astype(jnp.float32).sum()

  yield _piece("encoder", jax.grad(encode), params)

  chosen = jnp.ones((num_rows, num_targets, width), dtype)

  def head(params, chosen):
    # It reads the word embedding too.
    logits = model(params, chosen, method="predict")
    return logits.sum()

  yield _piece("head", jax.grad(head, argnums=(0, 1)), params, chosen)

  logits = jnp.ones(
    (num_rows, num_targets, config.data.vocabulary_size), jnp.float32
  )
  targets = jnp.zeros((num_rows, num_targets), jnp.int32)

  def loss(logits):
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    return losses.sum()

  yield _piece("loss", jax.grad(loss), logits)

  num_tasks = len(suite.task_names)
  weighting = minimax.make("mirror_ascent")
  adversary = weighting.init(num_tasks)
  yield _piece("adversary", weighting.update, jnp.ones(num_tasks), adversary)

  tx = models.make_tx(optax.identity())
  opt_state = jax.jit(tx.init)(params)

  def update(gradients, opt_state, params):
    updates, opt_state = tx.update(gradients, opt_state, params, step=0)
    return optax.apply_updates(params, updates), opt_state

  yield _piece("update", update, params, opt_state, params)

  host = jax.tree.map(np.asarray, batch)
  placed = jax.tree.map(lambda x: x.sharding, batch)
  copy = lambda: jax.block_until_ready(jax.device_put(host, placed))
  yield Piece("input", copy, 0, _nbytes(host))


def _piece(name: str, function: Callable[..., Any], *arguments: Any) -> Piece:
  compiled = jax.jit(function).lower(*arguments).compile()
  results = jax.eval_shape(function, *arguments)
  return Piece(
    name,
    lambda: jax.block_until_ready(compiled(*arguments)),
    count_flops(function, *arguments),
    _nbytes(arguments) + _nbytes(results),
  )


def _nbytes(tree: Any) -> int:
  return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))
