"""Whole steps by the real TPU compiler, for chips that are not here."""

import importlib.util

import pytest

from configs import multimae_smoke, pos_bert_base_pod
from taskrobust_jax.errors import InputError
from taskrobust_jax.models.bert import SIZES
from taskrobust_jax.models.multimae import SIZES as VIT_SIZES
from taskrobust_jax.planning import plan as planning
from taskrobust_jax.planning.chips import CHIPS, Topology, topology
from taskrobust_jax.planning.collectives import find_collectives
from taskrobust_jax.planning.tables import as_json, as_text
from taskrobust_jax.train import build, sharding
from tests.train import toy

needs_libtpu = pytest.mark.skipif(
  importlib.util.find_spec("libtpu") is None,
  reason="needs the TPU compiler: pip install 'taskrobust_jax[tpu]'",
)


def bert(size="base", text="", batch_size=4096, **mesh):
  """The pod's config, of another size."""
  config = pos_bert_base_pod.get_config(text)
  config.model.num_layers, config.model.width, config.model.num_heads = SIZES[
    size
  ]
  config.model.mlp_width = 4 * config.model.width
  config.batch_size = batch_size
  config.mesh.update(mesh)
  return config


def vit_large(batch_size=256):
  """MultiMAE's published shape at ViT-L: 224 px, six tasks."""
  config = multimae_smoke.get_config()
  config.data.image_size = 224
  config.tasks.update(patch=16, num_visible=98)
  config.model.shares_decoder = False
  config.batch_size = batch_size
  encoder = config.model.encoder
  encoder.num_layers, encoder.width, encoder.num_heads = VIT_SIZES["large"]
  encoder.mlp_width = 4 * encoder.width
  for part in (encoder, config.model.decoder):
    part.dtype, part.unroll, part.remat = "bfloat16", False, True
  decoder = config.model.decoder
  decoder.num_layers, decoder.width, decoder.num_heads = 2, 256, 8
  decoder.mlp_width = 1024
  return config


def kinds_and_axes(plan):
  return {(row.kind, row.axes) for row in plan.collectives}


@needs_libtpu
@pytest.mark.ci
def test_bert_base_needs_all_reduce_alone():
  plan = planning.make_plan(bert(batch_size=1024), topology("v5e:4x4"))
  assert kinds_and_axes(plan) == {("all-reduce", "data")}
  assert plan.num_chips == 16
  assert 0 < plan.bytes_in_all < plan.memory
  # Params and Adam's two moments.
  assert plan.arguments > 12 * plan.num_params
  sent = sum(row.sent for row in plan.collectives)
  least = plan.least_sent["data+fsdp"] + plan.least_sent["minimax"]
  # The embedding is reduced once more than needed, and in float32: from the
  # logits it comes in bfloat16, as all else, from the words in float32.
  twice = 1 + 2 * 30_522 * 768 / plan.num_params
  assert sent / least == pytest.approx(twice, rel=0.01)
  text = as_text(plan)
  assert "v5e:4x4: 16 chips, mesh data 16 x fsdp 1 x tensor 1" in text
  assert as_json(plan)["num_tasks"] == 4


@pytest.mark.ci
def test_minimax_sends_nothing_more_than_averaging():
  def found(text):
    experiment = build.build(toy.config(text), toy.Dataset())
    batch = experiment.load_batch(0)
    lowered = experiment.train_step.lower(experiment.state_shapes, batch)
    text = lowered.compile().as_text()
    return find_collectives(text, experiment.mesh.shape)

  # The losses and counts of averaging are logged, and so are summed too.
  plain = found("strategy=uniform")
  assert {(row.kind, row.axes) for row in plain} == {("all-reduce", "data")}
  assert found("") == plain


@needs_libtpu
@pytest.mark.ci
def test_bert_large_on_a_whole_pod():
  plan = planning.make_plan(bert("large"), topology("v5e:16x16"))
  assert kinds_and_axes(plan) == {("all-reduce", "data")}
  assert plan.bytes_in_all < plan.memory


@needs_libtpu
@pytest.mark.ci
def test_two_slices_share_the_data_axis():
  config = bert("tiny", batch_size=128)
  config.data.vocabulary_size, config.data.row_length = 512, 64
  plan = planning.make_plan(config, topology("v5e:2x2", 2))
  assert plan.num_chips == plan.mesh["data"] == 8
  assert plan.seconds["network"] > 0


@needs_libtpu
@pytest.mark.ci
def test_a_large_masked_autoencoder_on_v4():
  plan = planning.make_plan(vit_large(), topology("v4:2x2x4"))
  assert kinds_and_axes(plan) == {("all-reduce", "data")}
  assert plan.num_tasks == 6
  assert plan.bytes_in_all < plan.memory


@needs_libtpu
@pytest.mark.ci
def test_what_does_not_fit_says_the_bytes():
  config = bert(batch_size=4096)
  config.model.remat = False
  with pytest.raises(planning.DoesNotFit) as caught:
    planning.make_plan(config, topology("v5e:4x4"))
  assert caught.value.wanted > caught.value.capacity > 15 * 2**30
  assert "batch_size 4,096 does not fit on v5e:4x4: the program wants" in str(
    caught.value
  )


@pytest.mark.parametrize(
  ("words", "sizes"),
  [
    ("Used 18.5G of 15.75G hbm. Exceeded", (18.5 * 2**30, 15.75 * 2**30)),
    (
      "the total memory required for HLO temporaries (140.52G) exceeds "
      "available HBM (15.75G).",
      (140.52 * 2**30, 15.75 * 2**30),
    ),
    ("of another kind", None),
  ],
)
def test_the_compilers_words_about_memory(words, sizes):
  assert planning.sizes_of(f"RESOURCE_EXHAUSTED: {words}") == sizes
  assert planning.sizes_of(words) is None


@pytest.mark.parametrize(
  ("mesh", "rows", "tensor"),
  [
    # All 3,868 params are reduced.
    ((8, 1, 1), 3_868 * 4 * 2 * 7 / 8, 0),
    # All but the 60 of a bias are reduced to a part, and gathered twice.
    ((1, 8, 1), 3_808 * 4 * 3 * 7 / 8 + 60 * 4 * 2 * 7 / 8, 0),
    # One layer: four sums of 8 rows of 16 x 16 numbers, over two devices.
    ((4, 1, 2), None, 4 * 8 * 16 * 16 * 4 * 2 * 1 / 2),
  ],
)
def test_what_must_be_sent_at_least(monkeypatch, mesh, rows, tensor):
  monkeypatch.setattr(sharding, "MIN_SHARDED_SIZE", 1)
  config = toy.config(model__num_layers=1)
  for name, size in zip(sharding.AXES, mesh, strict=True):
    config.mesh[name] = size
  found = planning.least_sent(config, build.build(config, toy.Dataset()))
  assert found["tensor"] == tensor
  if rows is not None:
    assert found["data+fsdp"] == rows
    # Four losses and counts of four bytes.
    assert found["minimax"] == 4 * 8 * 2 * 7 / 8


@pytest.mark.parametrize("name", ["v5e", "v9:2x2", "v5e:16", "v5e:axb", ""])
def test_unknown_chips_are_named(name):
  with pytest.raises(InputError, match="--topology must be CHIP:SHAPE"):
    topology(name)


@pytest.mark.skipif(
  importlib.util.find_spec("libtpu") is not None, reason="libtpu is here"
)
def test_without_the_compiler_it_is_said():
  with pytest.raises(InputError, match=r"pip install 'taskrobust_jax\[tpu\]'"):
    topology("v5e:2x2")


@pytest.mark.parametrize("signal", ["held_out", "held_out + ema"])
def test_a_signal_that_reads_rows_cannot_be_planned(signal):
  decay = ",decay=0.9" if "ema" in signal else ""
  config = bert("tiny", f"signal={signal},held_out_every=5{decay}")
  with pytest.raises(InputError, match="plan without it"):
    planning.make_plan(config, Topology("v5e:2x2", 1, CHIPS["v5e"], ()))
