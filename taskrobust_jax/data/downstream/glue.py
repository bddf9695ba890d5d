"""GLUE: its nine tasks, from the official folders or from TFDS.

Wang et al., GLUE (2019). In the official folders CoLA has no header; MRPC and
STS-B hold texts with quotation marks that nothing closes; STS-B's label is the
last column; a few rows of QQP are broken and passed over, as BERT's own reader
does. MNLI has two dev sets: as tasks they are MNLI-m and MNLI-mm, trained on
the same rows.
"""

from collections.abc import Iterator
import dataclasses
import os

from taskrobust_jax import errors
from taskrobust_jax.data.downstream.labelled import (
  Columns,
  Labelled,
  collect,
  find_file,
  read_tsv,
)
from taskrobust_jax.data.text import tfds_text


@dataclasses.dataclass(frozen=True)
class GlueTask:
  """A task of GLUE.

  Attributes:
    folder: the name of its folder.
    columns: those of the files.
    scores: the scores it is judged by.
    tfds: its name in `tfds:glue`.
    tfds_features: those of its texts there.
    dev: the name of its dev set.
    tfds_dev: that of its dev set there.
    skips_short: whether broken rows are passed over.
  """

  folder: str
  columns: Columns
  scores: tuple[str, ...]
  tfds: str
  tfds_features: tuple[str, ...]
  dev: str = "dev"
  tfds_dev: str = "validation"
  skips_short: bool = False


_BINARY = ("0", "1")
_ENTAILS = ("entailment", "not_entailment")
_MNLI = GlueTask(
  "MNLI",
  Columns(
    "sentence1",
    "sentence2",
    "gold_label",
    ("entailment", "neutral", "contradiction"),
  ),
  ("accuracy",),
  "mnli",
  ("premise", "hypothesis"),
  "dev_matched",
  "validation_matched",
)
TASKS = {
  "CoLA": GlueTask(
    "CoLA", Columns(3, None, 1, _BINARY), ("matthews",), "cola", ("sentence",)
  ),
  "SST-2": GlueTask(
    "SST-2",
    Columns("sentence", None, "label", _BINARY),
    ("accuracy",),
    "sst2",
    ("sentence",),
  ),
  "MRPC": GlueTask(
    "MRPC",
    Columns("#1 String", "#2 String", "Quality", _BINARY),
    ("f1", "accuracy"),
    "mrpc",
    ("sentence1", "sentence2"),
  ),
  "STS-B": GlueTask(
    "STS-B",
    Columns("sentence1", "sentence2", "score", low=0.0, high=5.0),
    ("pearson", "spearman"),
    "stsb",
    ("sentence1", "sentence2"),
  ),
  "QQP": GlueTask(
    "QQP",
    Columns("question1", "question2", "is_duplicate", _BINARY),
    ("f1", "accuracy"),
    "qqp",
    ("question1", "question2"),
    skips_short=True,
  ),
  "MNLI-m": _MNLI,
  "MNLI-mm": dataclasses.replace(
    _MNLI, dev="dev_mismatched", tfds_dev="validation_mismatched"
  ),
  "QNLI": GlueTask(
    "QNLI",
    Columns("question", "sentence", "label", _ENTAILS),
    ("accuracy",),
    "qnli",
    ("question", "sentence"),
  ),
  "RTE": GlueTask(
    "RTE",
    Columns("sentence1", "sentence2", "label", _ENTAILS),
    ("accuracy",),
    "rte",
    ("sentence1", "sentence2"),
  ),
  "WNLI": GlueTask(
    "WNLI",
    Columns("sentence1", "sentence2", "label", _BINARY),
    ("accuracy",),
    "wnli",
    ("sentence1", "sentence2"),
  ),
}
TFDS = "tfds:glue"


def read(data_dir: str, name: str, split: str) -> Labelled:
  """Reads a split of a task.

  Args:
    data_dir: the folder that holds the tasks' folders, or "tfds:glue" for what
      TensorFlow Datasets has prepared.
    name: of `TASKS`.
    split: "train" or "dev".

  Raises:
    InputError: no such task or split, or what `labelled.read_tsv` raises.
  """
  if name not in TASKS:
    raise errors.InputError(
      f"task: {name!r} is not one of GLUE's {', '.join(TASKS)}"
    )
  if split not in ("train", "dev"):
    raise errors.InputError(
      f"split: {split!r} has no labels or is not there; train and dev do"
    )
  task = TASKS[name]
  if data_dir == TFDS:
    return read_tfds(task, "train" if split == "train" else task.tfds_dev)
  file_name = "train" if split == "train" else task.dev
  folder = os.path.join(os.path.expanduser(data_dir), task.folder)
  return read_tsv(
    find_file(folder, f"{file_name}.tsv"), task.columns, task.skips_short
  )


def read_tfds(task: GlueTask, split: str) -> Labelled:
  """Reads a split of "tfds:glue/<name>".

  Raises:
    InputError: it is not prepared, not GLUE's, or has no labels.
  """
  dataset = f"glue/{task.tfds}"
  place = f"tfds:{dataset}/{split}"
  return collect(place, task.columns, _tfds_rows(task, dataset, split, place))


def _tfds_rows(task, dataset, split, place) -> Iterator:
  classes = task.columns.classes
  examples = tfds_text.examples(dataset, split, task.tfds_features)
  for number, example in enumerate(examples):
    texts = [
      example[name].decode()
      if isinstance(example[name], bytes)
      else str(example[name])
      for name in task.tfds_features
    ]
    if "label" not in example:
      raise errors.InputError(f"{place} has no label: it is not GLUE's")
    label = example["label"]
    if classes:  # As numbers there.
      is_known = 0 <= int(label) < len(classes)
      label = classes[int(label)] if is_known else int(label)
    elif label < 0:  # -1.0
      label = int(label)
    pair = (texts[0], texts[1] if len(texts) > 1 else None)
    yield f"{place}:{number}", pair, str(label)
