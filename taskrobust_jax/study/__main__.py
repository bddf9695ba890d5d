r"""Runs the study: pre-training, fine-tuning, files of lines, tables.

  python -m taskrobust_jax.study --size=small --treebank=DIR --novels=DIR \
    --glue=DIR --out=runs/study [--results=notebooks/results/study]

`launch/study.sh` calls it. Every run is a call of another program, which is
printed into OUT/logs; what has ended is not run again, what was stopped goes
on. After each run its lines stand in the files of --results, and tables.md
there is made from these alone. TREEBANK holds train.conllu.gz and
dev.conllu.gz, NOVELS *.txt, GLUE CoLA/train.tsv.gz and so on. --purpose=pilot
labels what is run to choose steps and rates. Exit codes: 0 done, else that of
the program that failed.
"""

from collections.abc import Iterator, Sequence
import os
import pathlib

from absl import flags

from taskrobust_jax import program
from taskrobust_jax.errors import InputError
from taskrobust_jax.report import evidence, evidence_page
from taskrobust_jax.study import answers, grid, progress, stages
from taskrobust_jax.study.calls import JobMaker
from taskrobust_jax.study.inputs import Inputs
from taskrobust_jax.study.runner import Runner

_SIZE = flags.DEFINE_enum("size", "small", ["small", "full"], "How much.")
_DEVICE = flags.DEFINE_enum(
  "device", "cpu", ["cpu", "gpu"], "cpu: one run a core; gpu: one at a time."
)
_TREEBANK = program.define_path("treebank", "train and dev.conllu.gz.")
_NOVELS = program.define_path("novels", "Text files.")
_GLUE = program.define_path("glue", "GLUE's folder.")
_OUT = program.define_path("out", "Folder of the runs.")
_RESULTS = program.define_path("results", "Folder of the lines; in OUT.")
_STEPS = flags.DEFINE_integer(
  "steps", grid.STEPS, "Of a run of pre-training.", lower_bound=20
)
_PRETRAIN_FLAGS = flags.DEFINE_multi_string(
  "pretrain_flag", [], "For every call of prepare, pretrain and calibrate."
)
_FINETUNE_FLAGS = flags.DEFINE_multi_string(
  "finetune_flag", [], "For every call of finetune."
)
_SEEDS = flags.DEFINE_list("seeds", [], "In place of those of every group.")
_METHODS = flags.DEFINE_list("methods", [], "Those of them that are run.")
_PURPOSE = flags.DEFINE_enum(
  "purpose", None, list(evidence_page.PURPOSES), "In place of every group's."
)
_DRY_RUN = program.define_dry_run()


def main() -> int:
  """Runs all groups, one after the other."""
  folders = {
    name: _existing(name, value)
    for name, value in (
      ("treebank", _TREEBANK.value),
      ("novels", _NOVELS.value),
      ("glue", _GLUE.value),
    )
  }
  for split in ("train", "dev"):
    file = folders["treebank"] / f"{split}.conllu.gz"
    if not file.is_file():
      raise InputError(f"--treebank: {file} is no file")
  out = pathlib.Path(_OUT.value).resolve()
  results = pathlib.Path(_RESULTS.value or out / "results").resolve()
  known = {m.name for group in _known_groups() for m in group.methods}
  if unknown := set(_METHODS.value) - known:
    raise InputError(
      f"--methods: {sorted(unknown)} are not among {', '.join(sorted(known))}"
    )
  inputs = Inputs(
    out,
    folders,
    _STEPS.value,
    _PRETRAIN_FLAGS.value,
    _FINETUNE_FLAGS.value,
  )
  maker = JobMaker(inputs, results)
  cores = None
  if _DEVICE.value == "cpu":
    cores = sorted(os.sched_getaffinity(0))
  with Runner(out, cores) as runner:
    for groups in _parts(results):
      stages = [s for group in groups for s in maker.stages(_changed(group))]
      if _DRY_RUN.value:
        print(runner.plan([job for stage in stages for job in stage]))
        continue
      for number, jobs in enumerate(stages, 1):
        later = [job for stage in stages[number:] for job in stage]
        code = runner.run_all(jobs, later)
        if code:
          return code
  if _DRY_RUN.value:
    return 0
  results.mkdir(parents=True, exist_ok=True)
  tables = results / evidence_page.TABLES
  tables.write_text(answers.as_text(results), "utf-8")
  print(f"wrote {tables}")
  return 0


def _known_groups() -> list[grid.Group]:
  """Those of the size, whoever the finalists will be."""
  if _SIZE.value == "small":
    return stages.small()
  every = [m.name for m in (*grid.ADAPTIVE, *grid.SCREENS, *grid.FIXED)]
  return stages.stage_a() + stages.stage_b(every)


def _parts(results: pathlib.Path) -> Iterator[list[grid.Group]]:
  """Groups of the size; finalists are known when stage A has ended."""
  if _SIZE.value == "small":
    yield stages.small()
    return
  yield stages.stage_a()
  runs = evidence.read(results / evidence_page.RUNS, evidence.PreTraining)
  yield stages.stage_b(progress.finalists(runs))


def _changed(group: grid.Group) -> grid.Group:
  """The group as flags change it."""
  return group._replace(
    purpose=_PURPOSE.value or group.purpose,
    seeds=_numbers(_SEEDS.value) or group.seeds,
    methods=tuple(
      m for m in group.methods if not _METHODS.value or m.name in _METHODS.value
    ),
  )


def _numbers(values: Sequence[str]) -> tuple[int, ...]:
  if not all(value.isascii() and value.isdecimal() for value in values):
    raise InputError(f"--seeds must be whole numbers, got {values}")
  return tuple(map(int, values))


def _existing(name: str, value: str) -> pathlib.Path:
  if not pathlib.Path(value).is_dir():
    raise InputError(f"--{name}={value} is no folder")
  return pathlib.Path(value).resolve()


if __name__ == "__main__":
  flags.mark_flags_as_required(["treebank", "novels", "glue", "out"])
  program.run(main)
