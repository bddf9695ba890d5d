"""Downstream tasks of text, by name."""

import hashlib
from typing import Any

from ml_collections import ConfigDict
import numpy as np

from taskrobust_jax.data.downstream import agreement, glue, labelled, tagged
from taskrobust_jax.data.text import conllu
from taskrobust_jax.errors import InputError
from taskrobust_jax.transfer import heads, text_rows
from taskrobust_jax.transfer.objectives import (
  CLASS_SCORES,
  NUMBER_SCORES,
  Classification,
  Regression,
)
from taskrobust_jax.transfer.task import ArrayRows, DownstreamTask

TAGGING = "tagging"
AGREEMENT = "agreement"
_TABLE_KEYS = (
  *("train_path", "eval_path", "first", "second", "label"),
  *("classes", "scores"),
)


def check_name(name: str, config: ConfigDict) -> None:
  """Raises InputError unless there is a task of this name."""
  legal = [*glue.TASKS, TAGGING, AGREEMENT, *config.tables]
  if name not in legal:
    raise InputError(
      f"task {name!r} is not known; there are {', '.join(legal)}"
    )


def make_task(
  name: str,
  data_dir: str,
  tokenizer: Any,
  config: ConfigDict,
  *,
  width: int,
  max_length: int,
) -> DownstreamTask:
  """Reads the data of a task and makes it.

  Args:
    name: Of `glue.TASKS`, "tagging" or "agreement", which read the files of
      `config.tagging`, or a key of `config.tables`.
    data_dir: What GLUE is read from, see `glue.read`.
    tokenizer: The encoder's.
    config: See `configs/finetune_glue.py`; `tables`, `tagging`, `model` and
      `max_length` are read.
    width: D of the encoder.
    max_length: The longest row that the encoder takes.

  Raises:
    InputError: If there is no such task, or its data are not there or wrong.
  """
  check_name(name, config)
  length = min(config.max_length, max_length)
  if length < 8:
    raise InputError(
      f"max_length must be >= 8, and the encoder's too; got {length}"
    )
  rate = config.model.dropout_rate
  if name == TAGGING:
    return _tagging(_treebank(config, name), tokenizer, width, length, rate)
  if name in config.tables:
    splits, columns, scores = _of_table(name, config.tables[name])
  elif name == AGREEMENT:
    splits = [agreement.of_sentences(x) for x in _treebank(config, name)]
    columns = labelled.Columns(0, None, 1, agreement.CLASSES)
    scores = ("accuracy",)
  else:
    if not data_dir:
      raise InputError(f"--data_dir must be given for {name}: GLUE's folder")
    splits = [glue.read(data_dir, name, split) for split in ("train", "dev")]
    columns, scores = glue.TASKS[name].columns, glue.TASKS[name].scores
  train, held_out = text_rows.of_texts(splits, tokenizer, length)
  labels = train.arrays["label"]
  if columns.classes:
    objective = Classification(tuple(scores))
    num_outputs, classes = len(columns.classes), labels
  else:
    deviation = float(labels.std()) or 1.0
    objective = Regression(float(labels.mean()), deviation, tuple(scores))
    num_outputs, classes = 1, None
  return DownstreamTask(
    name,
    train,
    held_out,
    heads.first_token(width, num_outputs, rate),
    objective,
    _digest(train, held_out),
    classes,
  )


def _of_table(name: str, table: ConfigDict):
  """(splits, columns, scores) of a user's own table."""
  missing = [key for key in _TABLE_KEYS if key not in table]
  missing += [k for k in ("train_path", "eval_path") if not table.get(k)]
  if missing:
    raise InputError(f"tables.{name}.{missing[0]} must be given")
  if name in (*glue.TASKS, TAGGING, AGREEMENT):
    raise InputError(f"tables.{name}: {name} is a task already; rename it")
  legal = CLASS_SCORES if table.classes else NUMBER_SCORES
  if not table.scores or set(table.scores) - set(legal):
    raise InputError(
      f"tables.{name}.scores must be of {', '.join(legal)}, got "
      f"{tuple(table.scores)}"
    )
  if "f1" in table.scores and len(table.classes) != 2:
    raise InputError(
      f"tables.{name}.scores: f1 is that of two classes, there are "
      f"{len(table.classes)}"
    )
  columns = labelled.Columns(
    table.first,
    None if table.second in ("", None) else table.second,  # 0 is a place.
    table.label,
    tuple(map(str, table.classes)),  # As the file's cells are.
  )
  splits = [
    labelled.read_tsv(file, columns)
    for file in (table.train_path, table.eval_path)
  ]
  return splits, columns, table.scores


def _treebank(config, name):
  for key in ("train_path", "eval_path"):
    if not config.tagging[key]:
      raise InputError(
        f"tagging.{key} must be given for the task {name}: a CoNLL-U file"
      )
  return [
    tagged.read(file)
    for file in (config.tagging.train_path, config.tagging.eval_path)
  ]


def _tagging(splits, tokenizer, width, length, dropout_rate):
  train, held_out = text_rows.of_sentences(splits, tokenizer, length)
  return DownstreamTask(
    TAGGING,
    train,
    held_out,
    heads.every_token(
      width,
      len(conllu.UPOS_TAGS),
      dropout_rate,
      train.arrays["tokens"].shape[1],
    ),
    Classification(),
    _digest(train, held_out),
  )


def _digest(*splits: ArrayRows) -> str:
  digest = hashlib.sha256()
  for split in splits:
    for name, array in sorted(split.arrays.items()):
      digest.update(f"{name} {array.dtype} {array.shape} ".encode())
      digest.update(np.ascontiguousarray(array).tobytes())
  return digest.hexdigest()
