"""Strangers' files: whatever they hold, only InputError comes out."""

import contextlib
import json
import pathlib
import tempfile

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from taskrobust_jax import lock
from taskrobust_jax.data.text import conllu, dataset_info, tfds_files
from taskrobust_jax.errors import InputError
from taskrobust_jax.report.read import read_run
from taskrobust_jax.storage import rows, saved
from taskrobust_jax.train import references
from taskrobust_jax.train.folder import read_manifest

# Numbers that JSON may hold and that do not fit everywhere.
LEAVES = (
  st.none()
  | st.booleans()
  | st.integers()
  | st.sampled_from([10**400, -(2**63) - 1, 2**64])
  | st.floats()
  | st.text(max_size=5)
)
VALUES = st.recursive(
  LEAVES,
  lambda inner: (
    st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3)
  ),
  max_leaves=6,
)
BRACKETS = b"[" * 100_000
OBJECTS = b'{"a":' * 100_000


def fuzzed(number=150):
  return settings(
    max_examples=number,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
  )


def objects(**keys):
  """JSON objects with some of these keys, right or wrong."""
  strategies = {key: value | VALUES for key, value in keys.items()}
  return st.fixed_dictionaries({}, optional=strategies).map(
    lambda value: json.dumps(value).encode()
  ) | st.binary(max_size=40)


@contextlib.contextmanager
def folder_with(**files):
  """A folder of files; `__` stands for a dot."""
  with tempfile.TemporaryDirectory() as folder:
    for name, content in files.items():
      (pathlib.Path(folder) / name.replace("__", ".")).write_bytes(content)
    yield pathlib.Path(folder)


NAMES = st.lists(st.text(max_size=3), max_size=3)


@fuzzed()
@given(objects(config=st.just({}), task_names=NAMES, seed=st.integers()))
@example(BRACKETS)
@example(OBJECTS)
def test_a_run_s_manifest(content):
  with folder_with(manifest__json=content, metrics__jsonl=b"") as folder:
    for reader in (read_manifest, read_run):
      with contextlib.suppress(InputError):
        reader(folder)


@fuzzed()
@given(st.lists(objects(step=st.integers(0, 9), a=st.floats()), max_size=4))
@example([BRACKETS])
@example([b'{"step": 1, "a": 1' + b"0" * 400 + b"}"])
@example([b'{"step": 1' + b"0" * 400 + b', "a": 1}'])
def test_metrics(lines):
  content = b"".join(line + b"\n" for line in lines)
  manifest = b'{"task_names": ["a"], "config": {}}'
  with folder_with(manifest__json=manifest, metrics__jsonl=content) as folder:
    with contextlib.suppress(InputError):
      read_run(folder)
    file = rows.Rows(folder / "metrics.jsonl")
    with contextlib.suppress(InputError):
      file.cut_after(4)
    file.keep_what_is_whole(4)
    file.close()
    with contextlib.suppress(InputError):
      read_run(folder)


CURVE = st.fixed_dictionaries(
  {
    "steps": st.just([0, 5]) | VALUES,
    "losses": st.just([[1.0, 2.0], [0.5, 1.0]]) | VALUES,
  }
)


@fuzzed()
@given(
  objects(
    made_from=st.just({"task_names": ["a", "b"]}),
    curves=st.fixed_dictionaries({"train": CURVE, "held_out": CURVE}),
  )
)
@example(BRACKETS)
@example(
  b'{"made_from": {"task_names": ["a"]}, "curves": {"train": {"steps": [0], '
  b'"losses": [[1' + b"0" * 400 + b"]]}}}"
)
def test_references(content):
  with folder_with(references__json=content) as folder:
    with contextlib.suppress(InputError):
      references.read(folder / "references.json")


ARRAYS = st.dictionaries(st.text(max_size=3), st.text(max_size=9), max_size=3)


@fuzzed()
@given(
  VALUES
  | st.fixed_dictionaries(
    {},
    optional={
      "step": st.just(3) | VALUES,
      "arrays": ARRAYS | VALUES,
      "digests": ARRAYS | VALUES,
    },
  ),
  st.booleans(),
)
@example(BRACKETS, False)
@example({"step": 3, "arrays": [5], "digests": [5]}, True)
def test_a_checkpoint_s_manifest(content, is_sealed):
  if isinstance(content, dict) and is_sealed:
    content = saved.sealed(content)
  text = content if isinstance(content, bytes) else json.dumps(content).encode()
  with tempfile.TemporaryDirectory() as folder:
    for part, name in (("manifest", "metadata"), ("metrics", "metrics")):
      place = pathlib.Path(folder, "3", part)
      place.mkdir(parents=True)
      (place / name).write_bytes(text)
    for reader in (saved.read_manifest, saved.check_loss):
      with contextlib.suppress(InputError):
        reader(pathlib.Path(folder), 3)


@fuzzed()
@given(objects(schema_version=st.just(1), row_length=st.integers()))
@example(BRACKETS)
def test_a_dataset_s_metadata(content):
  names = ("dataset__json", "features__json", "dataset_info__json")
  with folder_with(**dict.fromkeys(names, content)) as folder:
    with contextlib.suppress(InputError):
      dataset_info.read(str(folder))
    with contextlib.suppress(InputError):
      tfds_files.check(str(folder), 16, {"train": 1, "eval": 1})


CELLS = st.sampled_from(
  ["1", "2", "1-2", "2-1", "9" * 30, "1.1", "NOUN", "_", "SpaceAfter=No", "٣"]
) | st.text(max_size=3)
LINES = (
  st.lists(CELLS, min_size=10, max_size=10).map("\t".join)
  | st.sampled_from(["", "# newdoc", "1\ta\t_\tNOUN" + "\t_" * 6])
  | st.text(max_size=9)
)


@fuzzed(400)
@given(st.lists(LINES, max_size=8))
def test_conllu(lines):
  with contextlib.suppress(InputError):
    for _, text, spans, tags, entities in conllu.documents("f", lines):
      assert len(spans) == len(tags)
      assert entities is None or len(entities) == len(tags)
      assert all(0 <= a <= b <= len(text) for a, b in spans)


@fuzzed()
@given(objects(pid=st.integers(), host=st.text(), since=st.floats()))
@example(BRACKETS)
def test_a_lock(content):
  with folder_with(__lock=content) as folder:
    lock.owner_of(folder)
