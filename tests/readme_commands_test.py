"""The commands of README.md and of launch/README.md, word for word.

Flags that make a run small are added at the end. What needs another machine, or
is run by a test of its own, is listed with that test.
"""

import pathlib
import re
import subprocess
import sys

import pytest

from tests import programs
from tests.train import masked_image_run_test

ROOT = programs.ROOT
# A part of a command: what runs it.
ELSEWHERE = {
  "launch/test.sh": ".ci/run",
  "tfds:wikipedia": "tests/data/text/tfds_text_test.py",
  "--data_dir=runs/wikipedia/data": "tests/prepare_test.py",
  "launch/downstream.sh": "tests/finetune_test.py",
  "launch/study.sh": "tests/launch/study_test.py",
  "launch/ablate.sh": "tests/launch/ablate_test.py",
  "launch/env.sh": "tests/launch/tpu_test.py",
  "launch/create_tpu.sh": "tests/launch/tpu_test.py",
  "launch/prepare_data.sh": "tests/launch/tpu_test.py",
  "launch/babysit_tpu.sh": "tests/launch/tpu_test.py",
  "launch/local_pod.sh": "tests/launch/local_pod_test.py",
  "taskrobust_jax.compile": "tests/planning/plan_test.py",
}
TEXT = [x for x in programs.SMALL if "config.data" not in x] + [
  "--config.num_steps=10",
  "--config.optimizer.warmup_steps=2",
  "--config.log_every=1",
  "--config.data.vocabulary_size=1000",
  "--config.data.row_length=64",
]
PICTURES = [f"--config.{k}={v}" for k, v in masked_image_run_test.SMALL.items()]
TUNING = [
  "--config.batch_size=8",
  "--config.num_epochs=1.0",
  "--config.least_steps=4",
  "--config.evaluation.batch_size=8",
]
# A part of a command: what is added to it. The first that fits counts.
SMALLER = {
  "quickstart.sh vision": PICTURES,
  "quickstart.sh": ["text", *TEXT],
  "finetune_vision.py": [
    *TUNING,
    "--from=runs/quickstart_vision/minimax",
    "--seeds=0",
    "--tasks=scenes_classes",
    "--config.scenes.train_rows=16",
    "--config.scenes.eval_rows=16",
  ],
  "finetune_glue.py": [
    *TUNING,
    "--tasks=CoLA",
    "--num_examples=8",
    "--seeds=0",
  ],
  "pos_bert": TEXT,
}


def commands():
  """Those in blocks without a language that begin with one."""
  blocks = [
    block
    for file in ("README.md", "launch/README.md")
    for block in re.findall(
      r"^```(\w*)\n(.*?)^```$", (ROOT / file).read_text(), re.M | re.S
    )
  ]
  starts = ("bash ", ".venv/bin/python ", "cp ", "TREEBANK=")
  return [
    command
    for language, block in blocks
    if not language and block.startswith(starts)
    for command in block.replace("\\\n", " ").strip().splitlines()
  ]


def runs_here(command):
  return not any(part in command for part in ELSEWHERE)


def test_every_command_is_run_somewhere():
  found = commands()
  assert len(found) >= 20
  for part, file in ELSEWHERE.items():
    assert (ROOT / file).is_file(), file
    assert any(part in command for command in found), part


@pytest.fixture
def checkout(tmp_path):
  """The project's files, and what the README's names in capitals stand for."""
  folder = tmp_path / "checkout"
  programs.link_checkout(folder)
  (folder / "EWT").mkdir()
  for split in ("train", "dev"):
    programs.write_treebank(folder / f"EWT/en_ewt-ud-{split}.conllu", 2)
  (folder / "books").mkdir()
  for number in range(40):  # Every 20th is held out.
    text = f"Mary {number} saw the old dog. It ran over a small hill.\n" * 10
    (folder / f"books/{number}.txt").write_text(text)
  (folder / "GLUE/CoLA").mkdir(parents=True)
  for split in ("train", "dev"):
    (folder / f"GLUE/CoLA/{split}.tsv").write_text(
      "x\t1\t\tthe dog ran\nx\t0\t*\tran dog the\n" * 8
    )
  (folder / "RUN").symlink_to("runs/quickstart/minimax")
  return folder


@pytest.mark.ci
def test_they_run_word_for_word(checkout):
  environment = programs.ENVIRONMENT | {
    "PYTHONPATH": "",
    "JAX_PLATFORMS": "cpu",
    "JAX_COMPILATION_CACHE_DIR": str(checkout / "cache"),
  }
  for command in filter(runs_here, commands()):
    if "hf_bert:FOLDER" in command:  # Somebody's weights.
      export = [sys.executable, "-m", "taskrobust_jax.convert", "--from=RUN"]
      subprocess.run(
        [*export, "--to=hf_bert:FOLDER"],
        cwd=checkout,
        env=environment,
        check=True,
      )
    more = next((m for part, m in SMALLER.items() if part in command), [])
    done = subprocess.run(
      ["bash", "-c", " ".join([command, *more])],
      cwd=checkout,
      env=environment,
      capture_output=True,
      text=True,
      timeout=300,
      check=False,
    )
    assert done.returncode == 0, command + done.stdout[-999:] + done.stderr
  for made in (
    *("quickstart/report.html", "quickstart_vision/reconstruction_0.png"),
    *("references.json", "excess/metrics.jsonl", "books/report.html"),
    *("tagger.json", "finetune/RUN/CoLA/8/seed0/result.json"),
    *("report/report.html", "bert/params.safetensors"),
  ):
    assert pathlib.Path(checkout, "runs", made).exists(), made
