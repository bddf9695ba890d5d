"""The chain over the rows of a run: a function of data, seed and step."""

import hashlib
import json

import jax
import numpy as np
import pytest

from taskrobust_jax.data.order import Order
from taskrobust_jax.train import loop
from taskrobust_jax.train.folder import RunFolder
from taskrobust_jax.train.order_digest import OrderDigest, as_number
from tests.train import toy


def digest(num_steps=5, data="d", seed=0, batch_size=4, restarts=()):
  order = Order(20, batch_size, seed)
  chain = OrderDigest(data)
  for step in range(num_steps):
    if step in restarts:
      chain = OrderDigest("is not looked at", chain.hexdigest())
    chain.add(order.rows(step))
  return chain.hexdigest()


def test_it_is_the_chain_that_is_documented():
  value = hashlib.sha256(b"d").digest()
  for step in range(5):
    rows = Order(20, 4, 0).rows(step).astype("<i8")
    value = hashlib.sha256(value + rows.tobytes()).digest()
  assert digest() == value.hex()
  assert as_number(value.hex()) == int.from_bytes(value[:6], "big")
  assert float(as_number("f" * 64)) == as_number("f" * 64)


def test_a_restart_leaves_no_trace_and_all_else_does():
  assert digest(restarts=(2, 4)) == digest()
  others = [
    digest(num_steps=4),
    digest(data="e"),
    digest(seed=1),
    digest(batch_size=5),
  ]
  assert len({digest(), *others}) == 5


def test_the_order_of_rows_counts():
  one, other = OrderDigest("d"), OrderDigest("d")
  assert one.add(np.array([1, 2])) != other.add(np.array([2, 1]))
  assert one.add(np.array([1, 2])) != other.add(np.array([1, 2]))


@pytest.mark.parametrize("num_devices", [1, 2, 8])
def test_every_number_of_devices_logs_the_same(tmp_path, num_devices):
  experiment = toy.small_experiment(
    devices=jax.devices()[:num_devices], num_steps=6, log_every=2
  )
  with RunFolder(tmp_path, experiment) as folder:
    loop.train(experiment, folder)
  rows = [
    json.loads(line)
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
  ]
  key = "train/order_digest"
  found = {row["step"]: row[key] for row in rows if key in row}
  chain = OrderDigest("toy")
  expected = [chain.add(experiment.rows_of_step(step)) for step in range(6)]
  for step in (2, 4, 6):
    assert found[step] == as_number(expected[step - 1])
