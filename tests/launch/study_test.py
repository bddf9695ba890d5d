"""launch/study.sh at a toy's size: from text to tables, and once more."""

import gzip
import json
import os
import pathlib
import subprocess

import pytest

from tests import programs

ROOT = pathlib.Path(__file__).parents[2]
PRETRAIN = (
  *("data.vocabulary_size=64", "data.row_length=16", "data.eval_share=0.5"),
  *("model.num_layers=1", "model.width=8", "model.mlp_width=8"),
  *(
    "evaluation.every=20",
    "evaluation.batch_size=32",
    "evaluation.max_rows=32",
  ),
  *("batch_size=8", "log_every=5"),
)
FINETUNE = ("batch_size=8", "least_steps=20", "evaluation.max_rows=64")


@pytest.fixture
def checkout(tmp_path):
  """A checkout whose install.sh does nothing, and what the study reads."""
  programs.link_checkout(tmp_path)
  for name in ("treebank", "novels", "glue/SST-2"):
    (tmp_path / name).mkdir(parents=True)
  programs.write_treebank(tmp_path / "all.conllu")
  for split in ("train", "dev"):
    with gzip.open(tmp_path / f"treebank/{split}.conllu.gz", "wb") as file:
      file.write((tmp_path / "all.conllu").read_bytes())
  for name in "abcd":
    text = (
      f"The {name} dog ran over a small hill. They saw it and slowly sang.\n"
    )
    (tmp_path / f"novels/{name}.txt").write_text(50 * text)
  return tmp_path


def study(checkout):
  flags = [
    *(f"--pretrain_flag=--config.{flag}" for flag in PRETRAIN),
    *(f"--finetune_flag=--config.{flag}" for flag in FINETUNE),
    *("--steps=40", "--seeds=10", "--methods=uniform"),
    "--finetune_flag=--tasks=tagging",
    "--finetune_flag=--num_examples=8",
  ]
  folders = {name: str(checkout / name) for name in ("treebank", "novels")}
  return subprocess.run(
    ["bash", "launch/study.sh", "cpu", "small", *flags],
    cwd=checkout,
    env={**programs.ENVIRONMENT, "PYTHONPATH": "", "JAX_PLATFORMS": "cpu"}
    | {name.upper(): folder for name, folder in folders.items()}
    | {"GLUE": str(checkout / "glue")}
    | {"JAX_COMPILATION_CACHE_DIR": os.fspath(checkout / "cache")},
    capture_output=True,
    text=True,
    timeout=600,
  )


@pytest.mark.ci
def test_the_study_ends_in_tables_and_goes_on(checkout):
  # Calls of `calibrate` compile ten programs: they count as done.
  for name in ("probe", "references"):
    mark = checkout / "runs/study/done/novels" / name
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
  done = study(checkout)
  logs = "".join(x.read_text() for x in checkout.rglob("logs/**/*.log"))
  assert done.returncode == 0, done.stderr + logs[-3000:]
  assert done.stdout.count(" left, about ") == 4
  results = checkout / "runs/study/results"
  tables = (results / "tables.md").read_text()
  assert "## novels: comparison" in tables
  assert "references of this setting are not yet run" in tables
  (line,) = (results / "pretraining.jsonl").read_text().splitlines()
  assert json.loads(line)["steps"] == 40
  assert len((results / "downstream.jsonl").read_text().splitlines()) == 6
  # What has ended is not run again.
  done = study(checkout)
  assert done.returncode == 0, done.stderr
  assert done.stdout == f"wrote {results / 'tables.md'}\n"
