"""The search for the largest batch, with programs that are made up."""

import jax
import pytest

from configs import pos_bert_base_pod
from taskrobust_jax.errors import InputError
from taskrobust_jax.planning import fitting
from taskrobust_jax.planning.chips import CHIPS, Topology
from taskrobust_jax.planning.plan import DoesNotFit, Plan


def stand_in(num_rows, seen):
  """A `make_plan` whose programs take 1 GiB, and 2 a unit of rows."""

  def make_plan(config, chips):
    seen.append(config.batch_size)
    wanted = 2**30 * (1 + 2 * config.batch_size / num_rows)
    if wanted > chips.chip.memory:
      raise DoesNotFit("", wanted, chips.chip.memory)
    return Plan(**dict.fromkeys(Plan._fields, 0))._replace(
      batch_size=config.batch_size, temporaries=wanted, memory=chips.chip.memory
    )

  return make_plan


@pytest.mark.parametrize("first", [32, 64, 1024])
def test_it_finds_the_largest_batch(monkeypatch, first):
  config = pos_bert_base_pod.get_config()
  config.model.update(num_layers=2, width=128, num_heads=2, mlp_width=512)
  config.batch_size = first
  chips = Topology("v5e:2x4", 1, CHIPS["v5e"], jax.devices())
  find = lambda: fitting.largest_batch(config, chips, report=lambda line: None)
  seen = []
  monkeypatch.setattr(fitting, "make_plan", stand_in(32, seen))
  assert find().batch_size == 7 * 32
  assert len(seen) == len(set(seen)) <= 6
  monkeypatch.setattr(fitting, "make_plan", stand_in(0.1, []))
  with pytest.raises(InputError, match="not even a batch of 32 rows fits"):
    find()
