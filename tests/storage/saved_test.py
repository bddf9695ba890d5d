"""Steps and manifests in a folder of checkpoints, whatever lies there."""

import json

import pytest

from taskrobust_jax.storage import saved
from taskrobust_jax.storage.saved import DamageError

MANIFEST = {"step": 3, "arrays": {"x": "float32[]"}, "digests": {"x": 7}}


def write(folder, text, step=3):
  place = folder / str(step) / "manifest"
  place.mkdir(parents=True)
  (place / "metadata").write_text(text)


def test_steps_are_folders_named_by_a_number(tmp_path):
  assert saved.steps_in(tmp_path / "none") == []
  for name in ("10", "9", "011", "7.orbax-checkpoint-tmp", "x", "²", "-1"):
    (tmp_path / name).mkdir()
  assert saved.steps_in(tmp_path) == [9, 10]


def test_a_sealed_manifest_is_read(tmp_path):
  write(tmp_path, json.dumps(saved.sealed({**MANIFEST, "names": ("a",)})))
  assert saved.read_manifest(tmp_path, 3) == {**MANIFEST, "names": ["a"]}


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda text: text.replace("7", "8"), "does not have the sha256"),
    (lambda text: "[]", "is no JSON object"),
    (lambda text: "{}", "does not have the sha256"),
    (lambda text: text[:-9], "is damaged: "),
    (lambda text: "[" * 100_000, "is damaged: "),
    (lambda text: json.dumps(saved.sealed({"step": 3})), "it has no 'arrays'"),
    (lambda text: json.dumps(saved.sealed({})), "it has no 'step'"),
    (
      lambda text: json.dumps(saved.sealed({**MANIFEST, "digests": {}})),
      "does not tell every array's digest",
    ),
    (
      lambda text: json.dumps(saved.sealed({**MANIFEST, "step": 4})),
      "is of step 4",
    ),
  ],
)
def test_another_manifest_is_damage_in_one_line(tmp_path, change, message):
  write(tmp_path, change(json.dumps(saved.sealed(MANIFEST))))
  with pytest.raises(DamageError, match=message) as caught:
    saved.read_manifest(tmp_path, 3)
  assert str(tmp_path / "3") in str(caught.value)
  assert "\n" not in str(caught.value)


def test_a_manifest_that_is_too_large_is_not_read(tmp_path, monkeypatch):
  monkeypatch.setattr(saved, "_LARGEST_MANIFEST", 10)
  write(tmp_path, json.dumps(saved.sealed(MANIFEST)))
  with pytest.raises(DamageError, match="is larger than 10 bytes"):
    saved.read_manifest(tmp_path, 3)


def test_what_orbax_says_in_many_lines_is_one():
  assert str(DamageError("it says\n  much:\n\nthis")) == "it says much: this"
