"""Tasks of text by name, and settings that fit no task."""

import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.train import loaded
from taskrobust_jax.transfer import objectives, text_tasks


@pytest.fixture(scope="module")
def tokenizer(pretrained):
  return loaded.load(pretrained).tokenizer


@pytest.fixture
def make(tokenizer, glue_dir, config):
  def call(name, data_dir=str(glue_dir), max_length=16):
    return text_tasks.make_task(
      name, data_dir, tokenizer, config, width=16, max_length=max_length
    )

  return call


@pytest.fixture
def table(tmp_path, config):
  """A table of our own, as a task named mine."""
  for split in ("train", "dev"):
    text = "words\tother\tkind\nw1 w2\tw3\tb\nw4\tw5\ta\nw6\tw7\tb\n"
    (tmp_path / f"{split}.tsv").write_text(text)
  with config.unlocked():
    config.tables.mine = {
      "train_path": str(tmp_path / "train.tsv"),
      "eval_path": str(tmp_path / "dev.tsv"),
      "first": "words",
      "second": "other",
      "label": "kind",
      "classes": ("a", "b"),
      "scores": ("f1", "accuracy"),
    }
  return config.tables.mine


def test_a_task_of_glue(make):
  task = make("SST-2")
  assert (len(task.train), len(task.eval)) == (32, 24)
  assert task.objective == objectives.Classification(("accuracy",))
  assert task.classes.tolist() == [0, 1] * 16
  assert task.digest == make("SST-2").digest
  assert task.digest != make("SST-2", max_length=8).digest


def test_a_table_that_lacks_something_is_named(make, table, config):
  table.train_path = ""
  with pytest.raises(InputError, match=r"tables.mine.train_path must be given"):
    make("mine")
  with config.unlocked():
    del table["scores"]
  with pytest.raises(InputError, match=r"tables.mine.scores must be given"):
    make("mine")
  with config.unlocked():
    config.tables["CoLA"] = {
      "scores": ("f1",),
      "train_path": "x",
      **{k: v for k, v in table.items() if k != "train_path"},
    }
  with pytest.raises(InputError, match="CoLA is a task already"):
    make("CoLA")


def test_a_table_of_ones_own(make, table):
  task = make("mine")
  assert task.objective.score_name == "f1_accuracy"
  assert task.train.arrays["label"].tolist() == [1, 0, 1]
  assert task.train.arrays["token_types"].any()
  table.classes, table.second, table.scores = (), "", ("pearson",)
  with pytest.raises(
    InputError, match="train.tsv:2: the label is 'b'; it must"
  ):
    make("mine")


def test_columns_by_place_and_classes_by_number(make, table, config, tmp_path):
  for split in ("train", "dev"):
    (tmp_path / f"{split}.tsv").write_text("w1 w2\tw3\t1\nw4\tw5\t0\n")
  places = {"first": 1, "second": 0, "label": 2, "classes": (0, 1)}
  with config.unlocked():
    config.tables.mine = {**table.to_dict(), **places}
  task = make("mine")
  assert task.train.arrays["label"].tolist() == [1, 0]
  assert task.train.arrays["token_types"].any()


@pytest.mark.parametrize(
  ("name", "value", "message"),
  [
    ("scores", ("pearson",), "tables.mine.scores must be of accuracy, f1, mat"),
    ("classes", ("a", "b", "c"), "f1 is that of two classes, there are 3"),
    ("label", "sort", "train.tsv:1: has no column 'sort'"),
    ("eval_path", "/none.tsv", "/none.tsv: cannot be read"),
  ],
)
def test_a_table_that_does_not_fit_is_refused(
  make, table, name, value, message
):
  table[name] = value
  with pytest.raises(InputError, match=message):
    make("mine")


def test_what_is_missing_is_named(make):
  with pytest.raises(InputError, match="task 'nothing' is not known"):
    make("nothing")
  with pytest.raises(InputError, match="--data_dir must be given for CoLA"):
    make("CoLA", data_dir=None)
  with pytest.raises(InputError, match="tagging.train_path must be given"):
    make("tagging")
  with pytest.raises(InputError, match="max_length must be >= 8"):
    make("SST-2", max_length=4)


def test_tagging(make, config, tmp_path):
  file = tmp_path / "train.conllu"
  line = "1\tw1\tw1\tNOUN\t_\t_\t0\troot\t_\t_\n\n"
  file.write_text(line * 3)
  config.tagging.train_path = config.tagging.eval_path = str(file)
  task = make("tagging")
  assert len(task.train) == 3
  assert task.classes is None
  labels = task.train.arrays["label"]
  assert (labels >= 0).sum() == 3
  assert labels.shape == (3, 16)


def test_agreement(make, config, tmp_path):
  file = tmp_path / "train.conllu"
  line = "1\tw1\tw1\tNOUN\t_\t_\t0\troot\t_\t_\n"
  verb = "2\tis\tbe\tAUX\t_\t_\t1\tcop\t_\t_\n\n"
  file.write_text(f"{line}\n{line}{verb}{line}{verb}")
  config.tagging.train_path = config.tagging.eval_path = str(file)
  task = make("agreement")
  assert task.train.arrays["label"].tolist() == [0, 1]
  assert task.objective.score_name == "accuracy"
