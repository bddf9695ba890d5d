"""The calls of programs that a group of the study's runs is made of."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import pathlib

import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.report import evidence
from taskrobust_jax.report.evidence import Probe
from taskrobust_jax.report.evidence_page import FILES, PROBES, RUNS, SCORES
from taskrobust_jax.report.read import read_run
from taskrobust_jax.report.results import read_fine_tuning
from taskrobust_jax.study import grid, placeholders
from taskrobust_jax.study.runner import Job
from taskrobust_jax.train import references

_CONFIG, _TUNING = "configs/pos_bert_study.py", "configs/finetune_study.py"
_PROBE_SHARE = 20  # A forecast's runs take so small a part of the steps.
_JUDGED = "judged.json"  # In a run's folder.


@dataclasses.dataclass(frozen=True)
class JobMaker:
  """Makes the jobs of groups.

  Attributes:
    out: Folder of the runs.
    results: Folder of the lines.
    folders: Where "treebank", "novels" and "glue" lie.
    steps: Of a run.
    pretrain_flags: More flags of `prepare`, `pretrain` and `calibrate`.
    finetune_flags: More flags of `finetune`.
  """

  out: pathlib.Path
  results: pathlib.Path
  folders: Mapping[str, pathlib.Path]
  steps: int
  pretrain_flags: Sequence[str] = ()
  finetune_flags: Sequence[str] = ()

  def stages(self, group: grid.Group) -> list[list[Job]]:
    """Lists of jobs, one after the other; those of a list go side by side."""
    setting = group.setting
    runs = [(m, seed) for seed in group.seeds for m in group.methods]
    tuned = {
      run: [self._fine_tuning(group, *run, mode) for mode in group.modes]
      for run in runs
    }
    for method, seed in runs:
      if method == grid.AVERAGING:  # The untrained model has its first params.
        tuned[method, seed] += [
          self._fine_tuning(group, None, seed, mode) for mode in group.modes
        ]
    first, second = (
      [self._run(group, *x, tuned[x]) for x in runs if _waits(x[0]) == waits]
      for waits in (False, True)
    )
    stages = [
      [self._probe(setting), self._references(setting), *first],
      second,
      [job for jobs in tuned.values() for job in jobs],
    ]
    return [
      [self._data(setting, [x for jobs in stages for x in jobs])],
      *stages,
    ]

  def _data(self, setting: grid.Setting, readers: Sequence[Job]) -> Job:
    def calls():
      if "perceptron" in setting.tagger and not self._tagger.exists():
        yield (
          "prepare",
          f"--train_tagger={self._treebank('train')}",
          f"--tagger_path={self._tagger}",
        )
      yield (
        "prepare",
        *self._config(setting, "strategy=uniform"),
        f"--data_dir={self._data_dir(setting)}",
        "--num_workers=1",
      )

    return Job(
      f"data/{setting.data}",
      calls,
      is_kept=lambda: all(job.is_kept() for job in readers),
    )

  def _references(self, setting: grid.Setting) -> Job:
    """One run a task; the adversary's curves, and the lines of the excess."""
    folder = self.out / setting.folder / "calibrate"
    curves = self._curves(setting)

    def calls():
      yield self._calibrate(setting, "single", folder, curves)
      for run in folder.glob("single_*"):
        yield self._evaluate(setting, run)

    def collect():
      self._keep(
        RUNS,
        [
          evidence.of_run(
            read_run(run),
            run / _JUDGED,
            setting.name,
            evidence.REFERENCE,
            evidence.single_method(run.name.removeprefix("single_")),
          )
          for run in folder.glob("single_*")
        ],
      )

    def is_kept():
      made = (setting.name, evidence.REFERENCE)
      return curves.exists() and made in {
        (x.setting, x.purpose) for x in self._lines(RUNS)
      }

    return Job(f"{setting.folder}/references", calls, collect, is_kept)

  def _probe(self, setting: grid.Setting) -> Job:
    """Short runs, whose cosines and excess forecast the gain."""
    folder = self.out / setting.folder / "probe"
    steps = max(1, self.steps // _PROBE_SHARE)

    def calls():
      for how in ("averaged", "single"):
        file = folder / f"{how}.json"
        yield (
          *self._calibrate(setting, how, folder, file),
          *_steps(steps),
          f"--config.evaluation.every={steps}",
          f"--config.checkpoint.every={steps}",
        )

    def collect():
      averaged, single = (
        references.read(folder / f"{how}.json")
        for how in ("averaged", "single")
      )
      names = averaged.made_from["task_names"]
      found = (
        averaged.cosines,
        averaged.curves["held_out"].losses[-1],
        single.curves["held_out"].losses[-1],
      )
      probe = Probe(
        setting.name, steps, names, *(np.round(x, 4).tolist() for x in found)
      )
      self._keep(PROBES, [probe])

    return Job(
      f"{setting.folder}/probe",
      calls,
      collect,
      lambda: setting.name in {x.setting for x in self._lines(PROBES)},
    )

  def _run(
    self,
    group: grid.Group,
    method: grid.Method,
    seed: int,
    tuned: Sequence[Job],
  ) -> Job:
    """`tuned`: those that read its checkpoint."""
    setting = group.setting
    folder = self._folder(group, method.name, seed)
    key = (setting.name, group.purpose, method.name, seed)

    def calls():
      yield (
        "pretrain",
        *self._config(setting, self._arguments(group, method)),
        *method.flags,
        f"--config.seed={seed}",
        f"--data_dir={self._data_dir(setting)}",
        f"--workdir={folder}",
      )
      yield self._evaluate(setting, folder)

    def collect():
      line = evidence.of_run(read_run(folder), folder / _JUDGED, *key[:3])
      self._keep(RUNS, [line])

    def is_kept():
      found = {
        (x.setting, x.purpose, x.method, x.seed) for x in self._lines(RUNS)
      }
      return key in found and all(job.is_kept() for job in tuned)

    return Job(str(folder.relative_to(self.out)), calls, collect, is_kept)

  def _fine_tuning(
    self, group: grid.Group, method: grid.Method | None, seed: int, mode: str
  ) -> Job:
    """Of a run, or of averaging's first params where there is no method."""
    name = evidence.UNTRAINED if method is None else method.name
    run = self._folder(group, method.name if method else evidence.UNIFORM, seed)
    folder = (
      self.out
      / "finetune"
      / mode
      / self._folder(group, name, seed).relative_to(self.out)
    )

    def calls():
      yield (
        "finetune",
        f"--config={_TUNING}{':frozen' if mode == 'frozen' else ''}",
        f"--from={run if method else f'random:{run}'}",
        f"--tasks={','.join(grid.TASKS)}",
        f"--data_dir={self.folders['glue']}",
        f"--config.tagging.train_path={self._treebank('train')}",
        f"--config.tagging.eval_path={self._treebank('dev')}",
        f"--num_examples={','.join(map(str, group.sizes))}",
        f"--seeds={','.join(map(str, grid.TUNING_SEEDS))}",
        f"--workdir={folder}",
        *self.finetune_flags,
      )

    def collect():
      self._keep(
        SCORES,
        evidence.of_fine_tuning(
          read_fine_tuning(folder), group.setting.name, group.purpose, name
        ),
      )

    def is_kept():
      # A task that lacks examples for a size has no line of it.
      key = (group.setting.name, group.purpose, name, seed, mode)
      sizes = {
        x.num_examples
        for x in self._lines(SCORES)
        if (x.setting, x.purpose, x.method, x.pretrained, x.mode) == key
      }
      return sizes >= set(group.sizes)

    return Job(str(folder.relative_to(self.out)), calls, collect, is_kept)

  def _config(self, setting: grid.Setting, arguments: str) -> Iterator[str]:
    """Flags of the config; those given by hand come last and so count."""
    text = ",".join((setting.text, *setting.arguments, arguments))
    yield f"--config={_CONFIG}:{text}"
    if setting.text == "novels":
      yield f"--config.data.train_path={self.folders['novels']}/*.txt"
    else:
      yield f"--config.data.train_path={self._treebank('train')}"
      yield f"--config.data.eval_path={self._treebank('dev')}"
    if setting.tagger == "perceptron":
      yield f"--config.data.tagger_path={self._tagger}"
    yield from _steps(self.steps)
    yield from setting.flags
    yield from self.pretrain_flags

  def _calibrate(self, setting, how, folder, file) -> tuple[str, ...]:
    return (
      "calibrate",
      *self._config(setting, "strategy=uniform"),
      f"--how={how}",
      f"--data_dir={self._data_dir(setting)}",
      f"--workdir={folder}",
      f"--out={file}",
    )

  def _evaluate(self, setting, run: pathlib.Path) -> tuple[str, ...]:
    return (
      "evaluate",
      f"--workdir={run}",
      f"--data_dir={self._data_dir(setting)}",
      "--second_half",
      f"--out={run / _JUDGED}",
    )

  def _arguments(self, group: grid.Group, method: grid.Method) -> str:
    setting = group.setting
    known = placeholders.of_lines(
      [x for x in self._lines(RUNS) if x.setting == setting.name],
      group.purpose,
    )
    known["references"] = str(self._curves(setting))
    try:
      return method.arguments.format(**known)
    except KeyError as error:
      raise InputError(
        f"{method.name} needs {error.args[0]} of {setting.name}, which "
        "no run has given yet"
      ) from error

  def _lines(self, name: str) -> list:
    return evidence.read(self.results / name, FILES[name])

  def _curves(self, setting: grid.Setting) -> pathlib.Path:
    """The adversary's references: among the results, to go on elsewhere."""
    return self.results / f"references_{setting.folder}.json"

  def _keep(self, name: str, lines: Sequence[evidence.Line]) -> None:
    evidence.merge(self.results / name, lines)

  def _folder(self, group: grid.Group, name: str, seed: int) -> pathlib.Path:
    place = self.out / group.setting.folder / group.purpose
    return place / name.replace(" ", "_") / f"seed{seed}"

  def _data_dir(self, setting: grid.Setting) -> pathlib.Path:
    return self.out / "data" / setting.data

  def _treebank(self, split: str) -> pathlib.Path:
    return self.folders["treebank"] / f"{split}.conllu.gz"

  @property
  def _tagger(self) -> pathlib.Path:
    return self.out / "tagger.json"


def _waits(method: grid.Method) -> bool:
  """Whether a method is made from what earlier runs found."""
  return "{" in method.arguments


def _steps(steps: int) -> tuple[str, str]:
  return (
    f"--config.num_steps={steps}",
    f"--config.optimizer.warmup_steps={steps // 10}",
  )
