"""Tables of labelled texts, and all that can be wrong with one."""

import gzip

import numpy as np
import pytest

from taskrobust_jax.data.downstream import labelled
from taskrobust_jax.errors import InputError

PAIRS = labelled.Columns("a", "b", "label", ("no", "yes"))
NUMBERS = labelled.Columns("a", None, "label", low=0.0, high=5.0)


def write(folder, text, name="train.tsv"):
  file = folder / name
  file.write_text(text)
  return str(file)


def test_pairs_with_classes(tmp_path):
  file = write(tmp_path, "id\ta\tb\tlabel\n7\tone\ttwo\tyes\n8\tx\ty\tno\n")
  found = labelled.read_tsv(file, PAIRS)
  assert (found.first, found.second) == (("one", "x"), ("two", "y"))
  assert found.labels.dtype == np.int32
  assert found.labels.tolist() == [1, 0]


def test_numbers_of_single_texts_packed(tmp_path):
  file = tmp_path / "train.tsv.gz"
  file.write_bytes(gzip.compress(b"a\tlabel\r\none\t2.5\r\n\r\ntwo\t5\r\n"))
  found = labelled.read_tsv(str(file), NUMBERS)
  assert found.second is None
  assert found.labels.dtype == np.float32
  assert found.labels.tolist() == [2.5, 5.0]


def test_a_quotation_mark_is_a_character(tmp_path):
  file = write(tmp_path, 'a\tlabel\n"one\t1\n"two" it said\t2\n')
  assert labelled.read_tsv(file, NUMBERS).first == ('"one', '"two" it said')


def test_columns_by_place_mean_no_header(tmp_path):
  file = write(tmp_path, "x\t1\t\tone\nx\t0\t*\ttwo\n")
  columns = labelled.Columns(3, None, 1, ("0", "1"))
  found = labelled.read_tsv(file, columns)
  assert found.first == ("one", "two")
  assert found.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("id\ta\tb\n1\tx\ty\n", r"train.tsv:1: has no column 'label'; it has 'id'"),
    ("", r"train.tsv:1: has no column 'a'"),
    ("a\tb\tlabel\n", r"train.tsv: has no rows"),
    ("a\tb\tlabel\nx\ty\tyes\nx\tyes\n", r"train.tsv:3: 2 cells between tabs"),
    (
      "a\tb\tlabel\nx\ty\tmaybe\n",
      r"train.tsv:2: the label is 'maybe'; it must be one of no, yes",
    ),
    (
      "a\tb\tlabel\nx\ty\t-1\n",
      r"train.tsv:2: the label is -1: this split has no labels",
    ),
  ],
)
def test_bad_tables_are_named_with_their_line(tmp_path, text, message):
  with pytest.raises(InputError, match=message):
    labelled.read_tsv(write(tmp_path, text), PAIRS)


@pytest.mark.parametrize("label", ["5.1", "nan", "many", "-0.1"])
def test_numbers_out_of_range_are_refused(tmp_path, label):
  file = write(tmp_path, f"a\tlabel\nx\t{label}\n")
  with pytest.raises(InputError, match="must be a number from 0 to 5"):
    labelled.read_tsv(file, NUMBERS)


def test_short_rows_without_a_header_are_named(tmp_path):
  columns = labelled.Columns(3, None, 1, ("0", "1"))
  with pytest.raises(InputError, match="train.tsv:1: 2 cells between tabs"):
    labelled.read_tsv(write(tmp_path, "x\t1\n"), columns)


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(InputError, match="dev.tsv: is no file"):
    labelled.find_file(str(tmp_path), "dev.tsv")
  (tmp_path / "dev.tsv.gz").write_bytes(b"")
  assert labelled.find_file(str(tmp_path), "dev.tsv").endswith("dev.tsv.gz")
