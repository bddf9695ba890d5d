"""Starts the programs as a user does, on a dataset that is made in a moment."""

import fcntl
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[1]
# Shared by the workers, and removed when the tests end: see conftest.py.
_SHARED = pathlib.Path(os.environ["TASKROBUST_TESTS_FOLDER"])
ENVIRONMENT = {
  **os.environ,
  # One device: it compiles faster.
  "XLA_FLAGS": "--xla_backend_optimization_level=0",
  "PYTHONPATH": str(ROOT),
  # Programs are compiled once for all the processes of the tests.
  "JAX_COMPILATION_CACHE_DIR": str(_SHARED / "cache"),
  "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
  # Some versions of jaxlib log pages about a program that they load from it.
  "TF_CPP_MIN_LOG_LEVEL": "3",
}
LAST = 160
SMALL = (
  "--config.data.source=conllu",
  "--config.data.tagger=gold",
  "--config.data.vocabulary_size=64",
  "--config.data.row_length=16",
  f"--config.num_steps={LAST}",
  "--config.batch_size=8",
  "--config.log_every=5",
  "--config.model.num_layers=1",
  "--config.model.width=8",
  "--config.model.mlp_width=8",
  "--config.evaluation.every=40",
  "--config.evaluation.batch_size=32",
  "--config.evaluation.max_rows=32",
  "--config.checkpoint.every=20",
)
SENTENCES = (
  "the/DET dog/NOUN ran/VERB over/ADP a/DET small/ADJ hill/NOUN",
  "they/PRON saw/VERB it/PRON and/CCONJ slowly/ADV walked/VERB home/NOUN",
  "Mary/PROPN is/AUX very/ADV old/ADJ but/CCONJ sings/VERB well/ADV",
)

# Forks for each call, so that what is imported is imported once. Nothing is run
# before: threads do not survive a fork.
FORKS = """
import json, os, resource, sys
import grain, tensorflow_datasets
from tensorflow_datasets.proto import tf_example_generated_pb2
from array_record.python import array_record_data_source
from configs import pos_bert_smoke
from taskrobust_jax import program
from taskrobust_jax import {program} as module
from absl import flags
for number, arguments in enumerate(json.load(sys.stdin)):
  child = os.fork()
  if not child:
    for stream in (1, 2):
      name = os.path.join({folder!r}, f"{{number}}.{{stream}}")
      os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), stream)
    sys.argv = ["{program}", *arguments]
    flags.mark_flags_as_required({required!r})
    limit = {largest_files}.get(number, -1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    program.{runner}(module.main)
  code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
  print(json.dumps(code), flush=True)
"""


def link_checkout(folder):
  """A checkout in a folder, whose install.sh does nothing."""
  shutil.copytree(ROOT / "launch", folder / "launch")
  (folder / "launch/install.sh").write_text("")
  for name in ("configs", "taskrobust_jax"):
    (folder / name).symlink_to(ROOT / name)
  (folder / ".venv").symlink_to(sys.prefix)


def config(text="", **changes):
  """Flags of the small config; `changes` are dotted names with `__`."""
  return [
    f"--config={ROOT}/configs/pos_bert_smoke.py{text}",
    *SMALL,
    *(f"--config.{k.replace('__', '.')}={v}" for k, v in changes.items()),
  ]


def start(program, *arguments):
  """A program in a process of its own."""
  return subprocess.Popen(
    [sys.executable, "-m", f"taskrobust_jax.{program}", *arguments],
    cwd=ROOT,
    env=ENVIRONMENT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def run(program, *arguments):
  """(exit code, standard output, standard error) of a program."""
  process = start(program, *arguments)
  out, err = process.communicate(timeout=300)
  return process.returncode, out, err


def run_each(program, required, calls, largest_files=None, *, runner="run"):
  """The same for many calls of a program, each in a fork of one process.

  `largest_files` limits what some calls, by number, can write into one file;
  `runner` is the function of `taskrobust_jax.program` that calls `main`.
  """
  with tempfile.TemporaryDirectory() as folder:
    result = subprocess.run(
      [
        sys.executable,
        "-c",
        FORKS.format(
          program=program,
          folder=folder,
          required=required,
          largest_files=largest_files or {},
          runner=runner,
        ),
      ],
      input=json.dumps(calls),
      cwd=ROOT,
      env=ENVIRONMENT,
      capture_output=True,
      text=True,
      timeout=300,
      check=False,
    )
    codes = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(codes) == len(calls), result.stderr
    texts = [
      [
        pathlib.Path(folder, f"{number}.{stream}").read_text()
        for stream in (1, 2)
      ]
      for number in range(len(calls))
    ]
  return [(code, *both) for code, both in zip(codes, texts)]


def write_treebank(file, num_copies=40):
  """A CoNLL-U file with gold tags."""
  with file.open("w") as stream:
    for number in range(num_copies * len(SENTENCES)):
      sentence = SENTENCES[number % len(SENTENCES)].split()
      for i, word in enumerate(sentence[number % 3 :] + sentence, 1):
        form, tag = word.split("/")
        stream.write(f"{i}\t{form}\t{form}\t{tag}\tX\t_\t0\troot\t_\t_\n")
      stream.write("\n")


@functools.cache
def finished():
  """A folder with data/ and run/, a run that nobody stopped."""
  folder = _SHARED / "finished"
  folder.mkdir(exist_ok=True)
  with (folder / "lock").open("w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not (folder / "out.txt").exists():
      _finish(folder)
  return Finished(folder, folder / "data", folder / "run")


def _finish(folder):
  write_treebank(folder / "all.conllu")
  code, _, err = run(
    "prepare",
    *config(data__train_path=folder / "all.conllu"),
    f"--data_dir={folder / 'data'}",
  )
  assert code == 0, err
  code, out, err = run("pretrain", *run_flags(folder, folder / "run"))
  assert code == 0, err
  (folder / "out.txt").write_text(out)


class Finished(NamedTuple):
  """What `finished` gives."""

  folder: pathlib.Path
  data: pathlib.Path
  run: pathlib.Path

  @property
  def out(self):
    """What `pretrain` printed."""
    return (self.folder / "out.txt").read_text()


def run_flags(folder, workdir, text="", **changes):
  """Flags of `pretrain` on the data of `finished`."""
  changes = {"data__train_path": folder / "all.conllu", **changes}
  return [
    *config(text, **changes),
    f"--data_dir={folder / 'data'}",
    f"--workdir={workdir}",
  ]


def rows_of(workdir):
  """The rows of metrics.jsonl."""
  text = (workdir / "metrics.jsonl").read_text()
  return [json.loads(line) for line in text.splitlines()]
