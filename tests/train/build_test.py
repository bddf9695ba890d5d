"""Every bad value of a config is refused by name, before anything compiles."""

import logging
import types

import jax
import pytest

from taskrobust_jax import minimax
from taskrobust_jax.errors import InputError
from taskrobust_jax.train import build, sections
from tests.train import toy

NAN = float("nan")
# As XLA names them. Single operations on [K] numbers are no program of a run.
PROGRAMS = {"jit(train_step)", "jit(sums_of_batch)", "jit(initial_state)"}


@pytest.fixture
def compiled(monkeypatch):
  """Names of the programs that XLA compiled since the test began."""
  names = []

  class Handler(logging.Handler):
    def emit(self, record):
      if record.getMessage().startswith("Finished XLA compilation of"):
        names.append(record.getMessage().split()[4])

  logger, handler = logging.getLogger("jax"), Handler()
  logger.addHandler(handler)
  monkeypatch.setattr(logger, "propagate", False)
  with jax.log_compiles():
    yield names
  logger.removeHandler(handler)


def config_with(name, value, text=""):
  """The toy's config with a value that flags might refuse by its type."""
  config = toy.config(text)
  section = config
  *sections, key = name.split(".")
  for part in sections:
    section = section[part]
  assert key in section
  with section.ignore_type():
    section[key] = value
  return config


def test_building_a_good_config_compiles_no_program_of_the_run(compiled):
  experiment = toy.small_experiment()
  assert not PROGRAMS & set(compiled)
  state = experiment.init_state()
  experiment.evaluate(state.params)
  experiment.train_step(state, experiment.load_batch(0))
  assert PROGRAMS <= set(compiled)


@pytest.mark.parametrize(
  ("name", "value", "message"),
  [
    ("seed", -1, "seed must be a whole number >= 0, got -1"),
    ("seed", 1.5, "seed must be a whole number >= 0, got 1.5"),
    ("seed", 2**32, "seed: 4294967296 is not in 0 to 4294967295"),
    ("num_steps", 0, "num_steps must be a whole number >= 1, got 0"),
    ("num_steps", 10.0, "num_steps must be a whole number >= 1, got 10.0"),
    ("log_every", 0, "log_every must be"),
    ("batch_size", -32, "batch_size must be a whole number >= 1, got -32"),
    ("batch_size", True, "batch_size must be a whole number >= 1, got True"),
    (
      "batch_size",
      40,
      "4 tasks x data 8 x fsdp 1 = 32, got 40; the nearest is 32",
    ),
    ("evaluation.every", 0, "evaluation.every must be"),
    ("evaluation.batch_size", 12, "= 8, got 12; the nearest is 8 or 16"),
    ("evaluation.max_rows", -1, "max_rows must be a whole number >= 0, got -1"),
    ("checkpoint.every", "10", "every must be a whole number >= 1, got '10'"),
    ("checkpoint.keep_latest", 0, "checkpoint.keep_latest must be"),
    ("mesh.data", 3, "does not divide the 8 devices: the product 3 must be 2"),
    ("mesh.fsdp", 0, "must be -1 or 1 or more, got {'data': -1, 'fsdp': 0"),
    ("mesh.tensor", 8, "must divide model.num_heads = 2, model.mlp_width = 32"),
    ("model.dtype", "float16", "model.dtype must be in"),
    ("model.num_layers", 0, "model.num_layers must be"),
    ("model.num_heads", 3, "width must be a multiple of model.num_heads = 3"),
    ("model.dropout_rate", 1.0, "dropout_rate must be in [0, 1), got 1.0"),
    ("model.dropout_rate", NAN, "dropout_rate must be in [0, 1), got nan"),
    ("tasks.word_fraction", 0.0, "tasks.word_fraction must be in (0, 1]"),
    ("tasks.word_fraction", NAN, "tasks.word_fraction must be in (0, 1]"),
    ("tasks.max_share", 1.5, "tasks.max_share must be in (0, 1], got 1.5"),
    ("tasks.groups", {"a": ()}, "group 'a' () matches no word"),
    ("tasks.groups", {"a": ("VREB",)}, "tag 'VREB'; did you mean 'VERB'?"),
    (
      "tasks.groups",
      {"a": ("NOUN", "VERB"), "b": ("VERB",)},
      "groups 'a' and 'b' overlap: both hold 'VERB'",
    ),
    ("optimizer.learning_rate", 0.0, "learning_rate must be in (0, inf)"),
    ("optimizer.learning_rate", NAN, "learning_rate must be in (0, inf)"),
    ("optimizer.warmup_steps", 20, "in [0, num_steps = 20), got 20"),
    ("optimizer.warmup_steps", -1, "optimizer.warmup_steps must be a whole"),
    ("optimizer.b1", 1.0, "optimizer.b1 must be in [0, 1), got 1.0"),
    ("optimizer.b2", NAN, "optimizer.b2 must be in [0, 1), got nan"),
    ("optimizer.eps", 0.0, "optimizer.eps must be in (0, inf), got 0.0"),
    ("optimizer.weight_decay", -0.1, "weight_decay must be in [0, inf)"),
    ("optimizer.clip_norm", 0.0, "clip_norm must be in (0, inf], got 0.0"),
    ("optimizer.clip_norm", NAN, "clip_norm must be in (0, inf], got nan"),
    ("minimax.step_size", -0.1, "step_size must be in [0, inf), got -0.1"),
    ("minimax.step_size", NAN, "step_size must be in [0, inf), got nan"),
    ("minimax.step_size", "much", "step_size must be in [0, inf), got much"),
    ("minimax.smoothing", 1.0, "smoothing must be in [0, 1), got 1.0"),
    ("minimax.order", "both", "order must be one of"),
    ("minimax.strategy", "group_dor", "did you mean 'group_dro'?"),
  ],
)
def test_a_bad_value_is_named(compiled, name, value, message):
  with pytest.raises(InputError) as caught:
    build.build(config_with(name, value), toy.Dataset())
  assert message in str(caught.value)
  assert not compiled


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("strategy=softmax_weighted,temperature=0", "in (0, inf), got 0"),
    ("strategy=softmax_weighted,temperature=nan", "in (0, inf), got nan"),
    ("strategy=fixed,weights=(1,2)", "for each of 4 tasks, got shape (2,)"),
    ("strategy=fixed,weights=(1,2,3,-4)", "weights must be in [0, inf)"),
    ("strategy=fixed,weights=abc", "minimax: "),
    ("strategy=fixed,weights=None", "minimax: "),
    ("strategy=group_dro,adjustments=(1,2,3)", "each of 4 tasks"),
  ],
)
def test_a_bad_argument_of_a_strategy_is_named(compiled, text, message):
  with pytest.raises(InputError) as caught:
    build.build(toy.config(text), toy.Dataset())
  assert message in str(caught.value)
  assert not PROGRAMS & set(compiled)


def test_a_strategy_changed_without_its_arguments_names_the_spelling():
  config = config_with("minimax.strategy", "softmax_weighted")
  with pytest.raises(InputError) as caught:
    build.build(config, toy.Dataset())
  assert (
    "minimax: strategy 'softmax_weighted' takes temperature, "
    "through_softmax, signal, but the config holds"
  ) in str(caught.value)
  assert "--config=FILE:strategy=softmax_weighted" in str(caught.value)


def test_what_a_strategy_needs_must_be_offered(monkeypatch):
  needy = minimax.uniform()._replace(needs=("step", "excess_losses"))
  monkeypatch.setattr(sections, "make_weighting", lambda *_: needy)
  with pytest.raises(InputError, match="needs excess_losses, which this"):
    build.build(toy.config(), toy.Dataset())


def test_a_group_without_words_is_named():
  dataset = toy.Dataset()
  counts = dict.fromkeys(toy.TAG_NAMES[1:], 1) | {"NOUN": 0, "PROPN": 0}
  dataset.info = types.SimpleNamespace(
    **{**vars(dataset.info), "tag_counts": {"train": counts}}
  )
  with pytest.raises(InputError, match="'nouns'.*matches no word"):
    build.build(toy.config(), dataset)


def test_the_identity_is_json_and_leaves_out_the_mesh():
  one = toy.small_experiment()
  other = toy.small_experiment(mesh__data=2, mesh__fsdp=4)
  assert one.identity == other.identity
  assert "mesh" not in one.identity["config"]
  assert one.identity["config"]["tasks"]["groups"]["nouns"] == ["NOUN", "PROPN"]
  assert one.identity["task_names"] == ["first", "second", "rare"]
  assert one.identity["data_digest"] == "toy"
  assert toy.small_experiment(seed=1).identity != one.identity


def test_the_seed_makes_params_and_batches():
  one, same, other = (toy.small_experiment(seed=seed) for seed in (0, 0, 1))
  toy.assert_same_bits(one.load_batch(3), same.load_batch(3))
  assert (one.load_batch(3)["tokens"] != other.load_batch(3)["tokens"]).any()
  kernels = [e.init_state().params["hidden"]["kernel"] for e in (one, other)]
  assert (kernels[0] != kernels[1]).any()


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"tasks__budget": "row"}, "budget must be one of rows, every_row"),
    ({"tasks__min_rows": 2}, "min_rows is an argument of the budget"),
    (
      {"tasks__budget": "rows_by_weight", "tasks__min_rows": 9},
      "4 tasks x min_rows = 9: 36, got 32",
    ),
  ],
)
def test_a_budget_that_cannot_be_is_refused(changes, message):
  with pytest.raises(InputError) as caught:
    build.build(toy.config(**changes), toy.Dataset())
  assert message in str(caught.value)


def test_budgets_without_equal_shares_take_any_multiple_of_the_devices():
  for budget in ("every_row", "one_input", "rows_by_weight"):
    config = toy.config(tasks__budget=budget, batch_size=40)
    assert build.build(config, toy.Dataset()).batch_size == 40
  with pytest.raises(InputError, match="4 tasks x data 8 x fsdp 1 = 32"):
    build.build(toy.config(batch_size=40), toy.Dataset())
