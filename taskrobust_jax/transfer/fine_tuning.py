"""One fine-tuning run: a task, a number of examples, a seed."""

import contextlib
import math
import pathlib
import time
from typing import Any

import jax
from ml_collections import ConfigDict
import numpy as np

from taskrobust_jax.data.order import SmallOrder
from taskrobust_jax.errors import InputError
from taskrobust_jax.train import dry_run, loop, sharding
from taskrobust_jax.train.build import Experiment, build, config_of
from taskrobust_jax.train.checks import check_count
from taskrobust_jax.transfer import neighbours, subsets
from taskrobust_jax.transfer.features import Features
from taskrobust_jax.transfer.judging import make_judge
from taskrobust_jax.transfer.scratch import ScratchFolder
from taskrobust_jax.transfer.suite import DownstreamSuite
from taskrobust_jax.transfer.task import DownstreamTask, Encoder, Subset

MODES = ("full", "frozen", "neighbours")


class StoppedError(Exception):
  """A run was asked to stop; the argument is the exit code."""


class FineTuner:
  """Fine-tunes an encoder on one task, for any number of examples and seeds.

  A frozen encoder's features are kept from one run to the next.

  Attributes:
    task: The task.
  """

  def __init__(
    self, task: DownstreamTask, encoder: Encoder, config: ConfigDict
  ):
    """Checks the config.

    Args:
      task: The task.
      encoder: What to start from.
      config: See `configs/finetune_glue.py`; `batch_size`, `num_epochs`,
        `least_steps`, `mode`, `optimizer`, `evaluation` are read.

    Raises:
      InputError: If a value is not legal.
    """
    check_config(config)
    self.task, self._encoder, self._config = task, encoder, config
    self._mesh = sharding.make_mesh()
    # `build` checks it too, after features were computed.
    sharding.check_batch_size(
      "evaluation.batch_size", config.evaluation.batch_size, 1, self._mesh
    )
    self._halves = subsets.halves(
      len(task.eval), config.evaluation.select_share, config.evaluation.max_rows
    )
    self._train, self._eval = task.train, task.eval
    self._is_frozen = config.mode != "full"
    if self._is_frozen:
      self._train, self._eval = (
        Features(
          source, encoder, task.head, self._mesh, config.evaluation.batch_size
        )
        for source in (task.train, task.eval)
      )

  def run(
    self, seed: int, num_examples: int, folder: pathlib.Path
  ) -> dict[str, Any]:
    """Fine-tunes once.

    The selection rule, whatever the task: of the evaluations after training
    began, the first one with the best primary score on the part of the dev set
    that selects; the last one if none selects. The score is that of the other
    part, at the same step.

    Args:
      seed: Of the draw of examples, their order, the head and dropout.
      num_examples: To train on; 0 for all.
      folder: It is there; log.txt and metrics.jsonl are written.

    Returns:
      JSON values, as result.json has them.

    Raises:
      StoppedError: If it was asked to stop.
      FloatingPointError: If gradients are not finite for long.
    """
    began = time.monotonic()
    task = self.task
    chosen = subsets.draw(len(task.train), num_examples, seed, task.classes)
    if self._config.mode == "neighbours":
      step = num_steps = 0
      values = self._ask_neighbours(chosen)
    else:
      num_steps = self._num_steps(chosen)
      step, values = self._train_on(seed, chosen, folder)
    score_name = task.objective.score_name
    metrics = {
      name.removeprefix("verdict/"): value
      for name, value in values.items()
      if name.startswith("verdict/")
    }
    return {
      "task": task.name,
      "seed": seed,
      "num_examples": num_examples,
      "score_name": score_name,
      "score": metrics[score_name],
      "select_score": values.get(f"select/{score_name}"),
      "metrics": metrics,
      "step": step,
      "num_steps": num_steps,
      "num_train_rows": len(chosen),
      "num_eval_rows": len(self._halves.verdict),
      "mode": self._config.mode,
      "data_digest": task.digest,
      "model_flops": self._flops(num_steps, len(chosen)),
      "seconds": round(time.monotonic() - began, 3),
    }

  def rehearse(self, seed: int, num_examples: int) -> tuple[int, int, float]:
    """What `run` would take: (training rows, steps, seconds of training).

    A frozen encoder's features are computed; their time is not counted.
    """
    task = self.task
    chosen = subsets.draw(len(task.train), num_examples, seed, task.classes)
    if self._config.mode == "neighbours":
      return len(chosen), 0, 0.0
    experiment = self.experiment(seed, chosen)
    cost = dry_run.rehearse(experiment)
    return len(chosen), experiment.num_steps, cost.step * experiment.num_steps

  def _train_on(
    self, seed: int, chosen: np.ndarray, folder: pathlib.Path
  ) -> tuple[int, dict[str, float]]:
    """The selected step and what was seen at it."""
    experiment = self.experiment(seed, chosen)
    with (
      open(folder / "log.txt", "w", encoding="utf-8") as log,
      contextlib.redirect_stdout(log),
      ScratchFolder(folder) as scratch,
    ):
      code = loop.train(experiment, scratch)
    if code:
      raise StoppedError(code)
    score_name = self.task.objective.score_name
    judged = [
      (step, values)
      for step, values in scratch.rows
      if f"verdict/{score_name}" in values
    ]
    return select(judged, f"select/{score_name}")

  def _ask_neighbours(self, chosen: np.ndarray) -> dict[str, float]:
    self._compute(chosen)
    return neighbours.judge(
      self.task,
      self._train,
      self._eval,
      chosen,
      self._halves,
      self._config.num_neighbours,
    )

  def _compute(self, chosen: np.ndarray) -> None:
    """Computes the features of training rows and of the dev set."""
    self._train.compute(chosen)
    self._eval.compute(np.concatenate(self._halves))

  def _num_steps(self, chosen: np.ndarray) -> int:
    config = self._config
    num_epochs = config.num_epochs * len(chosen) / config.batch_size
    return max(config.least_steps, math.ceil(num_epochs))

  def experiment(self, seed: int, chosen: np.ndarray) -> Experiment:
    """What the loop runs; features that it reads are computed here.

    Args:
      seed: Of the run.
      chosen: [n] int64, the training rows.
    """
    task, config, encoder = self.task, self._config, self._encoder
    if self._is_frozen:
      self._compute(chosen)
    suite = DownstreamSuite(task, None if self._is_frozen else encoder)
    train = Subset(self._train, chosen)

    def init_params(given, key):
      return {**given, "head": task.head.init(key)}

    given = {} if self._is_frozen else {"encoder": encoder.params}
    num_steps = self._num_steps(chosen)
    experiment = build(
      _run_config(config, seed, num_steps),
      _Data(train, self._eval, task.digest),
      suite,
      jax.tree_util.Partial(init_params, given),
      make_order=SmallOrder,
    )
    judge = make_judge(
      suite,
      self._eval,
      experiment.mesh,
      self._halves,
      config.evaluation.batch_size,
    )
    # The head that training begins with knows nothing: not worth the time.
    return experiment._replace(evaluate=judge, evaluates_start=False)

  def _flops(self, num_steps: int, num_rows: int) -> float:
    """Of training alone; a backward pass counts as two forward passes."""
    encode = self._encoder.flops(self.task.train.read([0]))
    num_seen = num_steps * self._config.batch_size
    if self._is_frozen:
      return encode * num_rows + 3 * self.task.head.flops * num_seen
    return 3 * (encode + self.task.head.flops) * num_seen


class _Data:
  """Stands in for `data.text.records.Dataset`."""

  def __init__(self, train, held_out, digest):
    self._splits = {"train": train, "eval": held_out}
    self.info = ConfigDict({"digest": digest})

  def split(self, name):
    return self._splits[name]


def select(
  judged: list[tuple[int, dict[str, float]]], key: str
) -> tuple[int, dict[str, float]]:
  """The first of the best (step, values) by a key; the last without it."""
  if key not in judged[-1][1]:
    return judged[-1]
  return max(judged, key=lambda x: (x[1][key], -x[0]))


def selection_text(config: ConfigDict) -> str:
  """The rule by which a step is chosen, in words."""
  share = config.evaluation.select_share
  if config.mode == "neighbours":
    return "no step: nothing is trained; judged as where a step is chosen"
  if not share:
    return "the last step, judged on all dev rows"
  return (
    f"the first of the {config.evaluation.times} evaluations with the best "
    f"primary score on a fixed {share:.0%} of the dev rows, judged on the rest"
  )


def check_config(config: ConfigDict) -> None:
  """Raises InputError for a value that is not legal."""
  if config.mode not in MODES:
    raise InputError(f"mode must be in {MODES}, got {config.mode!r}")
  check_count("batch_size", config.batch_size)
  check_count("num_neighbours", config.num_neighbours)
  check_count("least_steps", config.least_steps, least=2)
  check_count("evaluation.times", config.evaluation.times)
  check_count("evaluation.batch_size", config.evaluation.batch_size)
  check_count("evaluation.max_rows", config.evaluation.max_rows, least=0)
  for name, value in (
    ("evaluation.select_share", config.evaluation.select_share),
    ("optimizer.warmup_share", config.optimizer.warmup_share),
  ):
    if not 0 <= value < 1:
      raise InputError(f"{name} must be in [0, 1), got {value}")
  decay = config.optimizer.layer_decay
  if not 0 < decay <= 1:
    raise InputError(f"optimizer.layer_decay must be in (0, 1], got {decay}")
  if not 0 < config.num_epochs < math.inf:
    raise InputError(f"num_epochs must be in (0, inf), got {config.num_epochs}")


def _run_config(config: ConfigDict, seed: int, num_steps: int) -> ConfigDict:
  """What `build` reads."""
  optimizer = config.optimizer.to_dict()
  warmup_share = optimizer.pop("warmup_share")
  made = config_of(
    {
      "seed": seed,
      "num_steps": num_steps,
      "batch_size": config.batch_size,
      "log_every": max(1, num_steps // 20),
      "minimax": {"strategy": "uniform", "order": "alternating"},
      "optimizer": {
        **optimizer,
        "warmup_steps": round(warmup_share * num_steps),
        "skip_norm_above": 0.0,
        "average_decay": 0.0,
      },
      "evaluation": {
        "every": math.ceil(num_steps / config.evaluation.times),
        "batch_size": config.evaluation.batch_size,
        "max_rows": 0,
        "adversary_rows": 0,
        "patience": 0,
      },
      "checkpoint": {"every": num_steps, "keep_latest": 1},
    }
  )
  made.optimizer.max_non_finite_in_a_row = 100
  return made
