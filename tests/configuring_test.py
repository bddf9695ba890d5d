"""What stands after the colon of --config, and the strategy it makes."""

import importlib
import pathlib
import types

import jax
from ml_collections import ConfigDict
import numpy as np
import pytest

from configs import mae_base_imagenet, pos_bert_smoke
from taskrobust_jax import configuring, minimax
from taskrobust_jax.config_text import parse
from taskrobust_jax.data.pictures import image_rows, scenes
from taskrobust_jax.data.tagging.part_of_speech import (
  GROUPS,
  TAG_NAMES,
)
from taskrobust_jax.data.text.conllu import UPOS_TAGS
from taskrobust_jax.errors import InputError
from taskrobust_jax.train.sections import make_weighting, optimizer
from taskrobust_jax.train.suites import make_suite


def parsed(text):
  options, section = parse(
    text, "mirror_ascent", {"step_size": 0.1}, ordinary=False
  )
  return options.to_dict(), section.to_dict()


def test_nothing_is_the_configs_own_choice():
  assert parsed("") == (
    {"ordinary": False},
    {
      "strategy": "mirror_ascent",
      "order": "alternating",
      "step_size": 0.1,
      "smoothing": 0.0,
      "signal": "raw",
    },
  )


@pytest.mark.parametrize(
  ("text", "changes"),
  [
    ("step_size=0.5", {"step_size": 0.5}),
    (" step_size = 1e-3 , smoothing=0.2", {"step_size": 1e-3}),
    ("order=simultaneous", {"order": "simultaneous"}),
    ("strategy=mirror_ascent", {"step_size": 0.1}),
  ],
)
def test_arguments_change_the_section(text, changes):
  _, section = parsed(text)
  assert section | changes == section


def test_a_split_changes_data_and_tasks_together():
  plain = pos_bert_smoke.get_config("")
  assert plain.tasks.hiding == "word_groups"
  assert plain.tasks.budget == "rows"
  words = pos_bert_smoke.get_config("split=word_frequency:3,step_size=0.2")
  assert words.data.tagger == "word_frequency:3"
  assert words.tasks.groups.to_dict() == {}
  assert words.tasks.budget == "rows"
  assert words.minimax.step_size == 0.2
  whole = pos_bert_smoke.get_config("split=domain")
  assert (whole.tasks.budget, whole.tasks.word_fraction) == ("one_input", 1.0)
  spans = pos_bert_smoke.get_config("split=denoisers")
  assert spans.tasks.hiding == "denoisers"
  assert spans.data == plain.data
  with pytest.raises(InputError, match="did you mean 'word_frequency'"):
    pos_bert_smoke.get_config("split=word_freqency:3")
  with pytest.raises(InputError, match="ordinary and split exclude each"):
    pos_bert_smoke.get_config("split=domain,ordinary")


def test_another_strategy_has_its_own_arguments_alone():
  _, section = parsed("strategy=group_dro,adjustments=(1, 2.5),normalize=True")
  assert section == {
    "strategy": "group_dro",
    "order": "alternating",
    "step_size": 0.01,  # Its own default, not the config's 0.1.
    "adjustments": (1, 2.5),
    "normalize": True,
  }
  _, section = parsed("strategy=fixed,weights=[1,2,3]")
  assert section["weights"] == [1, 2, 3]
  assert parsed("strategy=uniform")[1].keys() == {"strategy", "order"}


def test_a_signal_brings_its_arguments():
  _, section = parsed("signal=excess_over+ema,decay=0.9,reference_losses=(1,2)")
  assert section == {
    "strategy": "mirror_ascent",
    "order": "alternating",
    "step_size": 0.1,
    "smoothing": 0.0,
    "signal": "excess_over+ema",
    "decay": 0.9,
    "reference_losses": (1, 2),
    "reference_steps": (),
  }
  weighting = make_weighting(ConfigDict(section))
  weights, _ = weighting.update(np.array([1.5, 2.0]), weighting.init(2))
  np.testing.assert_allclose(weights[0] / weights[1], np.exp(0.1 * 0.5))


def test_another_signal_drops_the_configs_own():
  own = {"signal": "ema", "decay": 0.9, "step_size": 0.3}
  _, section = parse("", "mirror_ascent", own)
  assert (section.signal, section.decay) == ("ema", 0.9)
  _, section = parse("signal=raw", "mirror_ascent", own)
  assert section.signal == "raw"
  assert "decay" not in section
  assert section.step_size == 0.3


def test_a_bare_name_is_true():
  options, _ = parsed("ordinary,step_size=0.2")
  assert options == {"ordinary": True}


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("strategy=mirror_asent", "'mirror_asent'; did you mean 'mirror_ascent'?"),
    ("strategy=7", "unknown strategy '7'"),
    ("strategy", "unknown strategy 'True'"),
    ("strategy=", "unknown strategy ''"),
    ("step_sise=1", "'step_sise'; did you mean 'step_size'?"),
    ("temperature=1", "'temperature'. Legal with strategy mirror_ascent: "),
    ("strategy=uniform,step_size=1", "'step_size'. Legal with strategy unif"),
    ("strategy=fixed", "needs weights; write :strategy=fixed,weights=..."),
    ("step_size=1,step_size=2", "'step_size=2' of 'step_size=1,step_size=2'"),
    ("step_size=1,", "config argument ''"),
    ("=3", "config argument '=3'"),
    ("a b=3", "must be name=value, each name once"),
    ("step_size", "step_size must be given as name=value, got True"),
    ("signal=emma", "unknown signal 'emma'; did you mean 'ema'?"),
    ("signal=ema", "strategy mirror_ascent needs decay; write"),
    ("signal=ema+ema,decay=0.1", "names ema more than once"),
    ("decay=0.9", "unknown config argument 'decay'"),
    ("strategy=uniform,signal=raw", "uniform has no argument 'signal'"),
    ("strategy=fixed,weights", "weights must be given as name=value"),
    ("ordinary=no", "ordinary must be True or False, got 'no'"),
    (
      "strategy=softmax_weighted,through_softmax=false",
      "through_softmax must be True or False, got 'false'",
    ),
  ],
)
def test_a_slip_is_named(text, message):
  with pytest.raises(InputError) as caught:
    parsed(text)
  assert message in str(caught.value)


def test_a_section_makes_its_strategy():
  for text in ("", "strategy=uniform", "strategy=fixed,weights=(1,3)"):
    _, section = parsed(text)
    weighting = make_weighting(ConfigDict(section))
    assert isinstance(weighting, minimax.TaskWeighting)
  with pytest.raises(InputError, match="minimax: step_size must be in"):
    make_weighting(ConfigDict(parsed("step_size=-1")[1]))


@pytest.mark.parametrize(
  ("text", "middle"),
  [
    ("strategy=mirror_ascent,step_size=(0.0,0.4)", "step_size=0.2"),
    ("strategy=softmax_weighted,temperature=[3,1]", "temperature=2"),
  ],
)
def test_two_numbers_are_a_schedule_over_the_run(text, middle):
  constant = f"{text.split(',')[0]},{middle}"
  losses, weights = np.array([1.5, 2.0]), []
  for argument in (text, constant):
    section = ConfigDict(parsed(argument)[1])
    weighting = make_weighting(section, num_steps=10)
    state = weighting.init(2)
    weights.append(weighting.update(losses, state, step=5)[0])
  np.testing.assert_allclose(*weights, rtol=1e-6)


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("step_size=(0.1,-1)", r"step_size must be in \[0, inf\), got -1"),
    ("step_size=(0.1,0.2,0.3)", "step_size must be in .* got .0.1, 0.2, 0.3"),
    ("strategy=softmax_weighted,temperature=(1,0)", r"in \(0, inf\), got 0"),
  ],
)
def test_an_illegal_end_of_a_schedule_is_named(text, message):
  with pytest.raises(InputError, match=message):
    make_weighting(ConfigDict(parsed(text)[1]), num_steps=10)


def test_groups_make_other_tasks_of_the_same_tags():
  text = (
    "split=word_frequency:4,groups={'a':('frequency_1',),'b':['frequency_3']}"
  )
  config = pos_bert_smoke.get_config(f"{text},step_size=0.2")
  assert config.tasks.groups.to_dict() == {
    "a": ("frequency_1",),
    "b": ("frequency_3",),
  }
  assert config.minimax.step_size == 0.2
  plain = pos_bert_smoke.get_config("groups={'names':('PROPN',)}")
  assert plain.tasks.groups.to_dict() == {"names": ("PROPN",)}
  for wrong in ("3", "('A','B')", "{'a':'B'}", "{'a':()}", "{'a':(1,)}"):
    with pytest.raises(InputError, match="groups must be"):
      pos_bert_smoke.get_config(f"groups={wrong}")
  with pytest.raises(InputError, match="ordinary and groups exclude each"):
    pos_bert_smoke.get_config("ordinary,groups={'a':('X',)}")


def test_ordinary_is_one_task_of_all_words():
  plain = pos_bert_smoke.get_config("")
  ordinary = pos_bert_smoke.get_config("ordinary")
  assert plain.tasks.groups.to_dict() == GROUPS
  assert plain.tasks.word_fraction == 0.5
  assert ordinary.tasks.groups.to_dict() == {"all": UPOS_TAGS}
  assert ordinary.tasks.word_fraction == 1.0
  ordinary.tasks = plain.tasks
  assert ordinary == plain


def test_a_typo_in_a_config_file_does_not_make_a_key():
  config = configuring.pos_bert(
    "", size="tiny", strategy="uniform", arguments={}
  )
  with pytest.raises(AttributeError, match='Did you mean "num_steps"'):
    config.num_step = 3
  with pytest.raises(AttributeError, match="dropout_rate"):
    config.model.dropout = 0.5
  config.num_steps = 3


def test_sizes_are_berts():
  base = configuring.pos_bert(
    "", size="base", strategy="uniform", arguments={}
  ).model
  assert (base.num_layers, base.width, base.num_heads) == (12, 768, 12)
  assert base.mlp_width == 3072


FILES = sorted(
  (pathlib.Path(__file__).parents[1] / "configs").glob("[a-z]*.py")
)

# Of pre-training; an ablation lists argument strings of others.
FILES = [
  file for file in FILES if not file.stem.startswith(("ablation_", "finetune_"))
]


@pytest.mark.parametrize("name", [file.stem for file in FILES])
@pytest.mark.parametrize("text", ["", "ordinary", "strategy=uniform"])
def test_every_config_can_be_built_from(name, text):
  module = importlib.import_module(f"configs.{name}")
  is_of_text = name.startswith("pos_bert")
  if text == "ordinary" and not is_of_text:
    with pytest.raises(InputError, match="unknown config argument 'ordinary'"):
      module.get_config(text)
    return
  config = module.get_config(text)
  assert config.is_locked
  assert "Claim: " in module.__doc__
  info = info_of_text(config) if is_of_text else info_of_pictures(config)
  init_params, suite = make_suite(config, info)
  num_tasks = len(suite.task_names)
  optimizer(config, make_weighting(config.minimax), num_tasks)
  assert config.batch_size % getattr(suite, "batch_multiple", 1) == 0
  if not is_of_text and not text:
    losses_have_shapes(config, init_params, suite)


def losses_have_shapes(config, init_params, suite):
  size = config.data.image_size
  batch = {
    name: jax.ShapeDtypeStruct((2, size, size, *channels), dtype)
    for name, (channels, dtype) in image_rows.FEATURES.items()
  }
  batch |= {f"has_{name}": jax.ShapeDtypeStruct((2,), bool) for name in batch}
  params = jax.eval_shape(init_params, jax.random.key(0))
  losses, counts = jax.eval_shape(
    suite.per_task_losses, params, batch, jax.random.key(0)
  )
  assert losses.shape == counts.shape == (len(suite.task_names),)


def test_maskfeat_is_an_argument_of_mae():
  config = mae_base_imagenet.get_config("outputs=('hog',)")
  assert config.tasks.num_visible == 118  # .60 of 196.
  init_params, suite = make_suite(config, info_of_pictures(config))
  assert suite.task_names == ("hog",)
  losses_have_shapes(config, init_params, suite)


def test_one_output_needs_no_brackets():
  config = mae_base_imagenet.get_config("outputs='hog'")
  assert config.tasks.outputs == ("hog",)
  with pytest.raises(InputError, match="outputs must be a name or several"):
    mae_base_imagenet.get_config("outputs=5")


def info_of_pictures(config):
  size = config.data.image_size
  return types.SimpleNamespace(
    height=size,
    width=size,
    modalities=("rgb", "depth", "normals", "semseg"),
    class_names=(
      config.data.multimodal_folder.class_names or scenes.CLASS_NAMES
    ),
  )


def info_of_text(config):
  return types.SimpleNamespace(
    vocabulary_size=config.data.vocabulary_size,
    row_length=config.data.row_length,
    tag_names=TAG_NAMES,
    tag_counts={"train": dict.fromkeys(TAG_NAMES, 1)},
    special_token_ids={"[CLS]": 2, "[SEP]": 3, "[MASK]": 4},
  )


def test_the_pod_config_is_berts_base_at_4096_rows_of_512():
  config = importlib.import_module("configs.pos_bert_base_pod").get_config()
  assert (config.batch_size, config.data.row_length) == (4096, 512)
  assert config.num_steps == 125_000
  model = config.model
  assert (model.num_layers, model.width, model.num_heads) == (12, 768, 12)
  # The rows of each task are spread over the chips of v4-32 and v5e-64.
  for num_chips in (16, 64):
    assert config.batch_size % (4 * num_chips) == 0
