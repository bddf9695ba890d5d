"""The calls of programs that a group of the study's runs is made of."""

from collections.abc import Iterator, Sequence
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
from taskrobust_jax.study.inputs import Inputs
from taskrobust_jax.study.runner import Job
from taskrobust_jax.train import references

_PROBE_SHARE = 1 / 20  # A forecast's runs take so small a part of the steps.
_SCREENED, _JUDGED = "screened.json", "judged.json"  # In a run's folder.


@dataclasses.dataclass(frozen=True)
class JobMaker:
  """Makes the jobs of groups.

  Attributes:
    inputs: Of the programs; `inputs.out` is the folder of the runs.
    results: Folder of the lines.
  """

  inputs: Inputs
  results: pathlib.Path

  @property
  def out(self) -> pathlib.Path:
    """Folder of the runs."""
    return self.inputs.out

  def stages(self, group: grid.Group) -> list[list[Job]]:
    """Lists of jobs, one after the other; those of a list go side by side."""
    if not group.methods:
      return []
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
    alone = [self._probe(setting), self._references(setting)]
    stages = [
      [*(alone if setting.has_references else ()), *first],
      second,
      [job for jobs in tuned.values() for job in jobs],
    ]
    return [
      [self._data(setting, [x for jobs in stages for x in jobs])],
      *stages,
    ]

  def _data(self, setting: grid.Setting, readers: Sequence[Job]) -> Job:
    return Job(
      f"data/{setting.data}",
      lambda: self.inputs.preparing(setting),
      is_kept=lambda: all(job.is_kept() for job in readers),
    )

  def _references(self, setting: grid.Setting) -> Job:
    """One run a task; the adversary's curves, and the lines of the excess."""
    folder = self.out / setting.folder / "calibrate"
    curves = self._curves(setting)

    def calls():
      yield self._calibrate(setting, "single", folder, curves)
      for run in folder.glob("single_*"):
        yield from self._evaluate(setting, run)

    def collect():
      self._keep(
        RUNS,
        [
          evidence.of_run(
            read_run(run),
            (run / _SCREENED, run / _JUDGED),
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

    return Job(f"{setting.folder}/references", calls, collect, is_kept, is_kept)

  def _probe(self, setting: grid.Setting) -> Job:
    """Short runs, whose cosines and excess forecast the gain."""
    folder = self.out / setting.folder / "probe"

    def calls():
      for how in ("averaged", "single"):
        file = folder / f"{how}.json"
        yield self._calibrate(setting, how, folder, file, _PROBE_SHARE)

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
      steps = averaged.curves["held_out"].steps[-1]
      probe = Probe(
        setting.name, steps, names, *(np.round(x, 4).tolist() for x in found)
      )
      self._keep(PROBES, [probe])

    def is_kept():
      return setting.name in {x.setting for x in self._lines(PROBES)}

    return Job(f"{setting.folder}/probe", calls, collect, is_kept, is_kept)

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
        *self.inputs.pretraining(setting, self._arguments(group, method)),
        *method.flags,
        f"--config.seed={seed}",
        f"--data_dir={self.inputs.data_dir(setting)}",
        f"--workdir={folder}",
      )
      yield from self._evaluate(setting, folder)

    def collect():
      line = evidence.of_run(
        read_run(folder), (folder / _SCREENED, folder / _JUDGED), *key[:3]
      )
      self._keep(RUNS, [line])

    def is_collected():
      return key in {
        (x.setting, x.purpose, x.method, x.seed) for x in self._lines(RUNS)
      }

    return Job(
      str(folder.relative_to(self.out)),
      calls,
      collect,
      lambda: is_collected() and all(job.is_kept() for job in tuned),
      is_collected,
    )

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

    seeds = grid.tuning_seeds(group.setting, mode)

    def calls():
      yield (
        "finetune",
        *self.inputs.downstream(group.setting, mode),
        f"--from={run if method else f'random:{run}'}",
        f"--num_examples={','.join(map(str, group.sizes))}",
        f"--seeds={','.join(map(str, seeds))}",
        f"--workdir={folder}",
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

    return Job(
      str(folder.relative_to(self.out)), calls, collect, is_kept, is_kept
    )

  def _calibrate(
    self, setting, how, folder, file, share=1.0
  ) -> tuple[str, ...]:
    return (
      "calibrate",
      *self.inputs.pretraining(setting, "strategy=uniform", share),
      f"--how={how}",
      f"--data_dir={self.inputs.data_dir(setting)}",
      f"--workdir={folder}",
      f"--out={file}",
    )

  def _evaluate(self, setting, run: pathlib.Path) -> Iterator[tuple[str, ...]]:
    """By the tasks of averaging and one masking, whatever the run's are."""
    for name, flags in ((_SCREENED, ()), (_JUDGED, ("--second_half",))):
      yield (
        "evaluate",
        f"--workdir={run}",
        f"--data_dir={self.inputs.data_dir(setting)}",
        *flags,
        f"--out={run / name}",
        *self.inputs.pretraining(setting, grid.AVERAGING.arguments),
        "--config.seed=0",
      )

  def _arguments(self, group: grid.Group, method: grid.Method) -> str:
    setting = group.setting
    known = placeholders.of_lines(
      self._lines(RUNS), setting.name, group.purpose
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


def _waits(method: grid.Method) -> bool:
  """Whether a method is made from what earlier runs found."""
  return "{" in method.arguments
