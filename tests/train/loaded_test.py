"""Models opened by the name of their folder, and what does not fit together."""

import json
import re
import shutil

import jax
import numpy as np
import pytest

from configs import multimae_smoke
import taskrobust_jax
from taskrobust_jax.errors import InputError
from taskrobust_jax.storage import weights
from taskrobust_jax.train import build, datasets, loaded, start, suites
from taskrobust_jax.train.folder import RunFolder
from tests import tiny_bert
from tests.train import toy


class Dataset(toy.Dataset):
  """The made rows, with a tokenizer."""

  def __init__(self, folder):
    super().__init__()
    self._folder = folder

  def tokenizer_file(self):
    return str(self._folder / "tokenizer.json")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """(folder, state) of a run that was saved before its first step."""
  folder = tmp_path_factory.mktemp("loaded")
  tiny_bert.write_tokenizer(folder)
  config, dataset = toy.config(seed=3), Dataset(folder)
  experiment = build.build(config, dataset)
  state = experiment.init_state()
  with RunFolder(folder / "run", experiment) as opened:
    opened.save(state, {}, {"order_digest": "0"}, is_last=True)
    loaded.describe(opened.path, config, dataset)
  return folder / "run", jax.device_get(state)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
  folder = tmp_path_factory.mktemp("converted")
  tiny_bert.write(folder)
  return folder


def test_a_run_in_one_line(run):
  folder, state = run
  found = taskrobust_jax.load(str(folder))
  toy.assert_same_bits(found.params, state.params)
  assert found.tokenizer.encode("w1 w2").tokens == ["w1", "w2"]
  expected = {
    "workdir": str(folder),
    "init": "run",
    "step": 0,
    "strategy": "mirror_ascent(step_size=0.1, smoothing=0.1)",
    "seed": 3,
    "num_examples": 0,
    "data_digest": "toy",
  }
  assert {name: found.info[name] for name in expected} == expected
  assert found.info["config"]["model"]["width"] == 16
  assert json.loads(json.dumps(found.info)) == found.info
  tokens = np.array([[2, 5, 6, 3]])
  shape = jax.eval_shape(
    found.model.encode,
    found.params,
    tokens,
    np.ones_like(tokens),
    np.arange(4)[None],
  )
  assert shape.shape == (1, 4, 16)


def test_a_random_model_is_what_the_run_began_with(run):
  folder, state = run
  found = loaded.load(f"random:{folder}")
  for one, other in zip(
    jax.tree.leaves(found.params), jax.tree.leaves(state.params)
  ):
    np.testing.assert_allclose(one, other, atol=1e-6)
  assert (found.info["init"], found.info["strategy"]) == ("random", "random")


def test_a_checkpoint_by_its_step(run):
  folder, _ = run
  assert loaded.load(f"{folder}@0").info["step"] == 0
  with pytest.raises(InputError, match="has no checkpoint of step 7; it has 0"):
    loaded.load(f"{folder}@7")


def test_converted_weights(converted):
  found = loaded.load(converted)
  params = weights.read_weights(converted)
  toy.assert_same_bits(found.params, params)
  assert found.info["init"] == "weights"
  assert found.info["config"] is None
  with pytest.raises(InputError, match="names a step, which only a run's"):
    loaded.load(f"{converted}@5")


def test_a_masked_autoencoder_is_made_from_its_description():
  config = multimae_smoke.get_config()
  dataset = datasets.open_dataset(config, None)
  description = suites.describe_model(config, dataset.info)
  model = loaded.model_of(json.loads(json.dumps(description)))
  init, _ = suites.make_suite(config, dataset.info)
  key = jax.random.key(0)
  assert jax.eval_shape(model.init, key) == jax.eval_shape(init, key)


@pytest.mark.parametrize(
  "changes",
  [
    {"inputs": {"rgb": "x"}},
    {"inputs": ["abc"]},
    {"outputs": {"rgb": -1}},
    {"encoder": 5},
  ],
)
def test_a_strangers_description_of_a_masked_autoencoder(changes):
  config = multimae_smoke.get_config()
  dataset = datasets.open_dataset(config, None)
  description = suites.describe_model(config, dataset.info)
  description["options"] |= changes
  with pytest.raises(InputError, match="model.json: options"):
    loaded.model_of(description)


def test_a_folder_of_nothing_is_named(tmp_path):
  with pytest.raises(InputError, match="holds no model: it has no model.json"):
    loaded.load(tmp_path)
  with pytest.raises(InputError, match="is no folder of a run"):
    loaded.load(tmp_path / "nothing")


@pytest.fixture
def changed(converted, tmp_path):
  """A copy that may be changed."""
  shutil.copytree(converted, tmp_path / "copy")
  return tmp_path / "copy"


def test_a_tokenizer_of_another_model_is_refused(changed):
  tiny_bert.write_tokenizer(changed, [*tiny_bert.WORDS, "more"])
  with pytest.raises(InputError, match="has ids up to 27; the model knows 27"):
    loaded.load(changed)


def test_weights_of_another_size_are_refused(changed):
  options = tiny_bert.OPTIONS | {"mlp_width": 64}
  weights.write_model(changed, {"kind": "bert", "options": options})
  name = "['transformer']['layers']['mlp_in']['bias']"
  message = f"array {name} is float32[1, 32], this model's is float32[1, 64]"
  with pytest.raises(InputError, match=re.escape(message)):
    loaded.load(changed)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"depth": 2}, "options: .*unexpected keyword argument 'depth'"),
    ({"dtype": "int8"}, "model.dtype must be in"),
    ({"vocabulary_size": 0}, "vocabulary_size must be a whole number"),
  ],
)
def test_options_that_are_not_legal_are_named(changed, changes, message):
  options = tiny_bert.OPTIONS | changes
  weights.write_model(changed, {"kind": "bert", "options": options})
  with pytest.raises(InputError, match=message):
    loaded.load(changed)


def test_a_run_starts_from_given_params(run, tmp_path):
  folder, state = run
  found = loaded.load(folder)
  begin = start.make_start(str(folder), found.params, found.info)
  other = build.build(toy.config(seed=4), toy.Dataset(), start=begin)
  began = other.init_state()
  toy.assert_same_bits(jax.device_get(began.params), state.params)
  assert int(began.step) == 0
  assert other.identity["init_from"]["step"] == 0
  assert str(folder) not in json.dumps(other.identity)
  # It is another run than the one without.
  RunFolder(tmp_path / "run", other).close()
  plain = build.build(toy.config(seed=4), toy.Dataset())
  assert plain.identity["init_from"] is None
  with pytest.raises(InputError, match="holds another run: init_from is"):
    RunFolder(tmp_path / "run", plain)


def test_a_start_from_another_model_is_refused(run):
  folder, _ = run
  found = loaded.load(folder)
  begin = start.make_start(str(folder), found.params, found.info)
  wider = toy.config(model__width=32)
  message = f"{folder} holds another model: its array ['head']['norm']['bias']"
  with pytest.raises(InputError, match=re.escape(message)):
    build.build(wider, toy.Dataset(), start=begin)


def test_a_start_with_another_vocabulary_is_refused(converted, tmp_path):
  found = loaded.load(converted)
  start.check_tokenizer("x", found.tokenizer, str(converted / "tokenizer.json"))
  tiny_bert.write_tokenizer(tmp_path, tiny_bert.WORDS[::-1])
  with pytest.raises(
    InputError, match="x has another vocabulary.* 'bad' is 26"
  ):
    start.check_tokenizer("x", found.tokenizer, f"{tmp_path}/tokenizer.json")
