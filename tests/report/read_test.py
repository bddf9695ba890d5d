import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.report.read import read_run, read_runs


def _write(folder, text):
  (folder / "metrics.jsonl").write_bytes(text.encode())
  return folder


@pytest.fixture
def folder(write_run):
  return write_run("a", [[3, 2], [4, 1]], [[0.5, 0.5], [0.5, 0.5]])


def test_series_are_read_by_key_in_order(folder):
  run = read_run(folder)
  assert run.name == "a"
  assert run.task_names == ("nouns", "verbs")
  steps, values = run.series("eval/loss/verbs")
  np.testing.assert_array_equal(steps, [0, 10])
  np.testing.assert_array_equal(values, [4, 1])
  assert run.last("eval/worst_task_loss") == 2
  assert run.series("never/logged")[0].shape == (0,)
  assert np.isnan(run.last("never/logged"))


def test_null_is_nan_and_an_absent_key_leaves_no_gap(folder):
  text = '{"step": 1, "x": null}\n{"step": 2}\n{"step": 3, "x": 2}\n'
  steps, values = read_run(_write(folder, text)).series("x")
  np.testing.assert_array_equal(steps, [1, 3])
  np.testing.assert_array_equal(values, [np.nan, 2])


def test_a_step_logged_again_counts_once(folder):
  text = '{"step": 1, "x": 5}\n{"step": 1, "x": 6}\n'
  np.testing.assert_array_equal(
    read_run(_write(folder, text)).series("x")[1], 6
  )


@pytest.mark.parametrize(
  ("tail", "values"),
  [
    ('{"step": 2, "x"', [5]),
    ('{"step": 2, "x": 6.', [5]),
    ('{"step": 2, "x": 6}', [5, 6]),
  ],
)
def test_only_a_last_line_cut_short_is_ignored(folder, tail, values):
  text = '{"step": 1, "x": 5}\n' + tail
  run = read_run(_write(folder, text))
  np.testing.assert_array_equal(run.series("x")[1], values)
  if len(values) == 1:
    with pytest.raises(InputError, match=r"metrics\.jsonl:2"):
      read_run(_write(folder, text + '\n{"step": 3, "x": 7}\n'))


@pytest.mark.parametrize(
  ("line", "message"),
  [
    ("rubbish", "not a JSON object"),
    ("", "not a JSON object"),
    ("\x00\x00", "not a JSON object"),
    ("[1]", r"found \[1\]"),
    ('{"x": 1}', "step is None"),
    ('{"step": -1}', "step is -1"),
    ('{"step": true}', "step is True"),
    ('{"step": 1.5}', "step is 1.5"),
    ('{"step": 2, "x": "high"}', "x is 'high'"),
    ('{"step": 2, "x": NaN}', "NaN is not JSON"),
    ('{"step": 0, "x": 1}', "steps back from 1 to 0"),
  ],
)
def test_garbage_is_named_with_file_and_line(folder, line, message):
  _write(folder, '{"step": 1, "x": 5}\n' + line + "\n")
  with pytest.raises(InputError, match=rf"metrics\.jsonl:2: .*{message}"):
    read_run(folder)


def test_missing_files_are_named(folder, tmp_path):
  with pytest.raises(InputError, match=r"nowhere/manifest\.json: No such file"):
    read_run(tmp_path / "nowhere")
  (folder / "metrics.jsonl").unlink()
  with pytest.raises(InputError, match=r"metrics\.jsonl: No such file"):
    read_run(folder)


@pytest.mark.parametrize(
  ("manifest", "message"),
  [
    ("{", "is not a JSON object"),
    ("[]", r"not a JSON object: found \[\]"),
    ("{}", "task_names is None"),
    ('{"task_names": []}', r"task_names is \[\]"),
    ('{"task_names": [1]}', r"task_names is \[1\]"),
  ],
)
def test_a_manifest_without_task_names_is_refused(folder, manifest, message):
  (folder / "manifest.json").write_text(manifest)
  with pytest.raises(InputError, match=message):
    read_run(folder)


def test_runs_get_names_that_tell_them_apart(write_run):
  ones = [[1, 1], [1, 1]]
  paths = [write_run(name, ones, ones) for name in ("a/x", "b/x", "b/y")]
  names = [run.name for run in read_runs(paths)]
  assert names == ["a/x", "b/x", "b/y"]
  assert [run.name for run in read_runs(paths[1:])] == ["x", "y"]
  with pytest.raises(InputError, match="given twice"):
    read_runs([paths[0], str(paths[0]) + "/"])
