"""How hard words were: each hidden once, and data tagged by it."""

import json

import jax
import numpy as np
import pytest

from taskrobust_jax.data.text import records
from taskrobust_jax.train import difficulty
from tests import programs
from tests.tasks import small

MASK = small.VOCABULARY.mask_id


def test_each_words_loss_is_that_of_hiding_it_with_every_seventh():
  params, apply = small.model()
  # Far from equal predictions, for what is around a word to show.
  params = jax.tree.map(lambda x: 10 * x, params)
  batch = small.random_batch(2)
  found = jax.jit(
    lambda rows: difficulty.word_losses(apply, MASK, params, rows)
  )(batch)
  predict = jax.jit(apply)
  for row in range(2):
    one = {name: values[row : row + 1] for name, values in batch.items()}
    number = np.cumsum(one["word_starts"][0])
    is_word = one["tags"][0] > 0
    assert (np.isnan(found[row]) == ~is_word).all()
    for word in set(number[is_word]):
      hidden = is_word & (number % 7 == word % 7)
      inputs = np.where(hidden, MASK, one["tokens"])
      everywhere = np.arange(small.LENGTH)[None]
      logits = np.asarray(
        predict(
          params, inputs, one["segment_ids"], one["positions"], everywhere
        ),
        np.float64,
      )[0]
      own = np.flatnonzero(is_word & (number == word))
      norm = np.log(np.exp(logits[own]).sum(-1))
      losses = norm - logits[own, one["tokens"][0, own]]
      np.testing.assert_allclose(found[row][own], losses.mean(), rtol=1e-4)


@pytest.fixture(scope="module")
def whole():
  return programs.finished()


@pytest.mark.ci
def test_the_program_writes_the_same_rows_with_other_tags(whole, tmp_path):
  out = tmp_path / "hard"
  flags = [
    f"--workdir={whole.run}",
    f"--data_dir={whole.data}",
    f"--out_dir={out}",
  ]
  plan, (code, said, err), again, few, text = programs.run_each(
    "tag_by_loss",
    ["workdir", "data_dir", "out_dir"],
    [
      [*flags, f"--out_dir={tmp_path / 'dry'}", "--dry_run"],
      [*flags, "--num_tags=3"],
      flags,
      [*flags, f"--out_dir={tmp_path / 'few'}", "--num_tags=1"],
      [*flags, f"--workdir={tmp_path}"],
    ],
  )
  assert plan[0] == 0, plan[2]
  assert "each 7 times through the encoder\ntime   about 0:" in plan[1]
  assert not (tmp_path / "dry").exists()
  assert code == 0, err
  old, new = map(records.open_dataset, (str(whole.data), str(out)))
  assert new.verify() == new.info.digest != old.info.digest
  assert new.info.tag_names == (
    "_",
    *(f"difficulty_{i}" for i in range(1, 4)),
  )
  for split in ("train", "eval"):
    before, after = old.split(split), new.split(split)
    assert len(before) == len(after)
    every = range(len(before))
    before, after = before.read(every), after.read(every)
    for name in before:
      if name != "tags":
        np.testing.assert_array_equal(before[name], after[name])
    # The same words have a tag.
    np.testing.assert_array_equal(before["tags"] > 0, after["tags"] > 0)
  counts = list(new.info.tag_counts["train"].values())
  # Equal losses lie on one side of an edge, and there are few other words.
  assert min(counts) > 0.1 * sum(counts)
  assert "difficulty_3" in said

  assert again[0] == 2
  assert "holds a complete dataset" in again[2]
  assert few[0] == 2
  assert "num_tags must be in [2, 256], got 1" in few[2]
  assert text[0] == 2
  assert "is no run" in text[2]

  flags = programs.run_flags(
    whole.folder, tmp_path / "run", ":split=difficulty", num_steps=4
  )
  flags = [flag for flag in flags if "data_dir" not in flag]
  code, _, err = programs.run(
    "pretrain",
    *flags,
    f"--data_dir={out}",
    "--config.batch_size=9",
    "--config.optimizer.warmup_steps=1",
  )
  assert code == 0, err
  manifest = json.loads((tmp_path / "run/manifest.json").read_text())
  assert manifest["task_names"] == list(new.info.tag_names[1:])
