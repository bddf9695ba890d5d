"""A tiny BERT as converted weights, and a GLUE folder of made sentences."""

import numpy as np
import pytest

from tests import tiny_bert


def sentences(num_rows, seed):
  """Texts of five words; the first word says which of two classes it is."""
  random = np.random.default_rng(seed)
  labels = np.arange(num_rows) % 2
  return [
    " ".join([("bad", "good")[label], *random.choice(tiny_bert.WORDS[:20], 4)])
    for label in labels
  ], labels


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory):
  """The folder of a model that was never trained."""
  folder = tmp_path_factory.mktemp("pretrained")
  tiny_bert.write(folder)
  return folder


@pytest.fixture(scope="session")
def glue_dir(tmp_path_factory):
  """SST-2 with 32 training rows and 24 dev rows, and WNLI that is bad."""
  folder = tmp_path_factory.mktemp("glue")
  for name, size, seed in (("train", 32, 0), ("dev", 24, 1)):
    rows = zip(*sentences(size, seed))
    text = "sentence\tlabel\n" + "".join(f"{s}\t{y}\n" for s, y in rows)
    (folder / "SST-2").mkdir(exist_ok=True)
    (folder / "SST-2" / f"{name}.tsv").write_text(text)
  return folder


@pytest.fixture
def config():
  """The config made small."""
  from configs import finetune_glue

  values = finetune_glue.get_config()
  values.batch_size = 16
  values.num_epochs = 30.0
  values.least_steps = 10
  values.model.dropout_rate = 0.0
  values.optimizer.learning_rate = 3e-2
  values.evaluation.times = 3
  values.evaluation.batch_size = 16
  return values
