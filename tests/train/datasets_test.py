"""Datasets that were made otherwise than a config says are refused."""

import types

import pytest

from configs import pos_bert_smoke
from taskrobust_jax.data.text import records
from taskrobust_jax.errors import InputError
from taskrobust_jax.train import datasets


@pytest.fixture
def opened(monkeypatch):
  """Opens data of a tagger by a config's argument."""

  def call(found, text=""):
    dataset = types.SimpleNamespace(info=types.SimpleNamespace(tagger=found))
    monkeypatch.setattr(records, "open_dataset", lambda *_, **__: dataset)
    return datasets.open_dataset(pos_bert_smoke.get_config(text), "data")

  return call


@pytest.mark.parametrize(
  ("found", "text"),
  [
    ("word_frequency:8", "split=word_frequency:8"),
    ("word_frequency", "split=word_frequency:4"),
    ("sentence_length:4", "split=sentence_length"),
    ("difficulty:4", "split=difficulty"),
    # Groups name their tags, so that other taggers of speech do as well.
    ("gold", ""),
    ("gold", "ordinary"),
    ("word_frequency:4", "split=denoisers"),
    ("word_frequency:8", "groups={'rare':('frequency_8',)}"),
  ],
)
def test_data_that_a_config_fits(opened, found, text):
  assert opened(found, text).info.tagger == found


@pytest.mark.parametrize(
  ("found", "text"),
  [
    ("word_frequency:4", "split=sentence_length:4"),
    ("word_frequency:8", "split=word_frequency"),
    ("difficulty:4", "split=word_frequency:4"),
    ("gold", "split=domain"),
    ("sentence_length:4", "split=difficulty"),
  ],
)
def test_data_with_the_tags_of_another_split(opened, found, text):
  with pytest.raises(InputError, match=f"data were tagged by '{found}'"):
    opened(found, text)
