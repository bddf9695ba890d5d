"""launch/study.sh at a toy's size: from text to tables, and once more."""

import dataclasses
import gzip
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

from taskrobust_jax.report import evidence
from tests import programs
from tests.report import made_lines

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
FINETUNE = (
  *("batch_size=8", "least_steps=20", "num_epochs=0.1"),
  "evaluation.max_rows=64",
)
TASKS = ("function_words", "modifiers", "nouns", "verbs")


@pytest.fixture
def checkout(tmp_path):
  """A checkout whose install.sh does nothing, and what the study reads."""
  programs.link_checkout(tmp_path)
  for name in ("treebank", "novels", "glue/SST-2"):
    (tmp_path / name).mkdir(parents=True)
  # More than the 1,024 sentences that are asked for.
  programs.write_treebank(tmp_path / "all.conllu", num_copies=400)
  for split in ("train", "dev"):
    with gzip.open(tmp_path / f"treebank/{split}.conllu.gz", "wb") as file:
      file.write((tmp_path / "all.conllu").read_bytes())
  for name in "abcd":
    text = (
      f"The {name} dog ran over a small hill. They saw it and slowly sang.\n"
    )
    (tmp_path / f"novels/{name}.txt").write_text(50 * text)
  return tmp_path


def test_what_a_treebank_lacks_is_named_before_anything_runs(checkout):
  (checkout / "treebank/dev.conllu.gz").unlink()
  folders = {"TREEBANK": "../treebank", "NOVELS": ".", "GLUE": "../glue"}
  done = subprocess.run(
    ["bash", "../launch/study.sh"],
    cwd=checkout / "novels",
    env={**programs.ENVIRONMENT, "PYTHONPATH": "", **folders},
    capture_output=True,
    text=True,
    timeout=60,
  )
  assert done.returncode == 2, done.stderr
  file = checkout / "treebank/dev.conllu.gz"
  assert done.stderr == f"error: --treebank: {file} is no file\n"


def study(checkout):
  flags = [
    *(f"--pretrain_flag=--config.{flag}" for flag in PRETRAIN),
    *(f"--finetune_flag=--config.{flag}" for flag in FINETUNE),
    *("--steps=40", "--seeds=10", "--methods=uniform"),
    "--finetune_flag=--tasks=tagging",
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
  results = checkout / "runs/study/results"
  # Calls of `calibrate` compile ten programs: what they give is there already.
  losses = dict.fromkeys(TASKS, 3.0)
  evidence.merge(
    results / "pretraining.jsonl",
    [
      dataclasses.replace(
        made_lines.pre_training(f"single {task}", 0, 1, 1, evidence.REFERENCE),
        **{"steps": 40, "screen": losses, "loss": losses, "weights": losses},
      )
      for task in TASKS
    ],
  )
  probe = evidence.Probe(
    "novels", 2, TASKS, np.eye(4).tolist(), [3] * 4, [2] * 4
  )
  evidence.merge(results / "forecast.jsonl", [probe])
  (results / "references_novels.json").touch()
  done = study(checkout)
  logs = "".join(x.read_text() for x in checkout.rglob("logs/**/*.log"))
  assert done.returncode == 0, done.stderr + logs[-3000:]
  assert done.stdout.count(" left, about ") == 4
  tables = (results / "tables.md").read_text()
  assert "## novels: comparison" in tables
  assert "Excess: held-out loss less that of the task's reference" in tables
  lines = (results / "pretraining.jsonl").read_text().splitlines()
  lines = map(json.loads, lines)
  (line,) = (line for line in lines if line["method"] == "uniform")
  assert (line["seed"], line["steps"]) == (10, 40)
  assert len((results / "downstream.jsonl").read_text().splitlines()) == 12
  # What has ended is not run again.
  done = study(checkout)
  assert done.returncode == 0, done.stderr
  assert done.stdout == f"wrote {results / 'tables.md'}\n"
