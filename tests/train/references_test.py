"""Reference losses: a file that is written, read, and fits a run or not."""

import json
import types

import jax.numpy as jnp
from ml_collections import ConfigDict
import numpy as np
import pytest

from taskrobust_jax import config_text
from taskrobust_jax.errors import InputError
from taskrobust_jax.train import build, references, sections
from tests.train import toy

NAMES = ("first", "second", "rare")
TRAIN = references.Curve((0, 10), ((3.0, 2.0, 1.0), (1.0, 1.0, 1.0)))
HELD_OUT = references.Curve((0,), ((5.0, 6.0, 7.0),))


def dataset():
  data = toy.Dataset()
  data.info = types.SimpleNamespace(
    **{**vars(data.info), "tokenizer_sha256": "abc"}
  )
  return data


def made(path, config):
  made_from = references.made_from(config.to_dict(), "abc", NAMES)
  references.write(
    path,
    references.References(made_from, {"train": TRAIN, "held_out": HELD_OUT}),
  )
  return path


def text_of(path, signal="excess_over"):
  return f"signal={signal},reference_losses={path}"


def test_what_is_written_is_read(tmp_path):
  path = made(tmp_path / "a/b.json", toy.config(""))
  read = references.read(path)
  assert read.curves == {"train": TRAIN, "held_out": HELD_OUT}
  assert read.made_from["task_names"] == list(NAMES)
  assert len(read.digest) == 64
  assert [file.name for file in path.parent.iterdir()] == ["b.json"]


def test_a_config_takes_the_curve_that_fits_its_signal(tmp_path):
  path = made(tmp_path / "x.json", toy.config(""))
  losses = jnp.array([4.0, 4.0, 4.0])
  for signal, step, excess in (
    ("excess_over", 0, [1.0, 2.0, 3.0]),
    ("excess_over", 5, [2.0, 2.5, 3.0]),
    ("held_out+excess_over,held_out_every=1", 0, [-1.0, -2.0, -3.0]),
  ):
    text = f"strategy=softmax_weighted,{text_of(path, signal)}"
    _, section = config_text.parse(text, "uniform", {})
    weighting = sections.make_weighting(
      ConfigDict(section), references.read(path)
    )
    weights, _ = weighting.update(
      losses, weighting.init(3), step=step, held_out_losses=losses
    )
    expected = np.exp(excess) / np.exp(excess).sum()
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


def test_a_run_knows_its_references_by_their_content(tmp_path):
  path = made(tmp_path / "x.json", toy.config(""))
  config = toy.config(text_of(path), batch_size=24)
  identity = lambda: (
    build.build(
      config, dataset(), toy.SquaresWithSums(), toy.init_params
    ).identity
  )
  first = identity()
  content = json.loads(path.read_text())
  content["curves"]["train"]["losses"][0][0] = 9.0
  path.write_text(json.dumps(content))
  second = identity()
  assert first["references"] != second["references"]
  assert first["config"] == second["config"]


@pytest.mark.parametrize(
  ("changes", "tokenizer", "message"),
  [
    ({"model__width": 32}, "abc", "their model.width is 32, not 16"),
    ({"tasks__word_fraction": 0.25}, "abc", "their tasks.word_fraction is"),
    ({}, "other", "their tokenizer is 'other', not 'abc'"),
  ],
)
def test_references_of_another_model_grouping_or_tokenizer_are_refused(
  tmp_path, changes, tokenizer, message
):
  path = tmp_path / "x.json"
  made_from = references.made_from(
    toy.config("", **changes).to_dict(), tokenizer, NAMES
  )
  curves = {"train": TRAIN, "held_out": HELD_OUT}
  references.write(path, references.References(made_from, curves))
  config = toy.config(text_of(path))
  with pytest.raises(InputError) as caught:
    sections.references_of(config, dataset().info, NAMES)
  assert f"references {path} do not fit this run: {message}" in str(
    caught.value
  )


def test_speed_may_differ(tmp_path):
  path = made(tmp_path / "x.json", toy.config("", model__dtype="bfloat16"))
  config = toy.config(text_of(path), model__unroll=False)
  assert sections.references_of(config, dataset().info, NAMES)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda c: c.pop("curves"), "it has no 'curves'"),
    (lambda c: c["curves"].pop("held_out"), "it has no 'held_out'"),
    (lambda c: c["curves"]["train"].update(steps=[10, 0]), "must increase"),
    (lambda c: c["curves"]["train"].update(steps=[0, 0.5]), "whole numbers"),
    (lambda c: c["curves"]["train"].update(steps=[]), "whole numbers"),
    (lambda c: c["curves"]["train"].update(losses=[[1, 2]]), "2 x 3 finite"),
    (
      lambda c: c["curves"]["train"].update(losses=[[1, 2, "x"]] * 2),
      "cannot be read",
    ),
    (
      lambda c: c["curves"]["train"].update(losses=[[1, 2, float("nan")]] * 2),
      "finite numbers",
    ),
    (lambda c: c.update(made_from=3), "cannot be read"),
    (lambda c: c.update(shares=[1, 2]), "shares must be 3 finite"),
    (lambda c: c.update(cosines=[[1, 2]]), "cosines must be 3 x 3 finite"),
  ],
)
def test_a_file_that_is_none_is_named(tmp_path, change, message):
  path = made(tmp_path / "x.json", toy.config(""))
  content = json.loads(path.read_text())
  change(content)
  path.write_text(json.dumps(content))
  with pytest.raises(InputError) as caught:
    references.read(path)
  assert f"references {path} cannot be read" in str(caught.value)
  assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 10**5, b"[]", b"7"])
def test_any_bytes_are_named(tmp_path, content):
  path = tmp_path / "x.json"
  path.write_bytes(content)
  with pytest.raises(InputError, match="cannot be read"):
    references.read(path)
