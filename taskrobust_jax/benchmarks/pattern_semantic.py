"""Does what is semantic starve beside patterns, and does minimax feed it?

  python -m taskrobust_jax.benchmarks.pattern_semantic [--out=FOLDER]

configs/pattern_semantic.py on scenes: RGB, HOG and edges are patterns, normals
and classes are semantic. One small masked autoencoder is pre-trained on the
patterns alone and on the semantic tasks alone (one seed), and on all five: by
averaging, by minimax over log(loss / reference), where a task's reference is
its training loss at the end of the run without the other kind, and by minimax
over losses relative to their start (the config's own). Then `linear_probe` asks
what the frozen encoder knows. Scenes are the same for all seeds.

A run that is in FOLDER's JSON is not repeated, so the command goes on where it
was stopped.
"""

from collections.abc import Callable, Iterator
import json
import pathlib
import time
from typing import Any

from absl import flags
import numpy as np

from taskrobust_jax import program
from taskrobust_jax.benchmarks import linear_probe, measure

SEEDS = (0, 1, 2)
FIRST_STEPS, LAST_STEPS = 10, 50  # Whose mean losses are told.
UNTRAINED = "untrained"
ALONE = ("pattern alone", "semantic alone")


def main(out: str) -> None:
  """Prints a row for each run; writes them all, with a picture."""
  measure.use_one_thread()
  path = pathlib.Path(out) / "pattern_semantic.json"
  rows, references = earlier(path), {}
  dataset = Kept(config_of(""))
  print(f"{'case':<20} seed   mIoU  pixels    normals  CPU s", flush=True)
  for case, text in cases(references):
    pretrain = pretrainer(text, dataset)
    for seed in SEEDS[:1] if case in ALONE else SEEDS:
      names = {"case": case, "seed": seed}
      row = next((row for row in rows if row.items() >= names.items()), None)
      if row is None:
        row = {**names, **pretrain(seed, case != UNTRAINED)}
        rows.append(row)
        measure.write(str(path), rows, **settings())
      print(
        f"{case:<20} {seed:>4}  {row['miou']:.3f}  {row['accuracy']:6.1%}"
        f"  {row['degrees']:5.2f} deg  {row['cpu_seconds']:5.1f}",
        flush=True,
      )
      if case in ALONE:
        references |= row["last_losses"]
  picture = path.with_suffix(".png")
  draw(rows, picture)
  print(f"wrote {picture}")


def settings() -> dict[str, Any]:
  """What the runs in a file have in common."""
  config = config_of("")
  return {
    "steps": config.num_steps,
    "batch_size": config.batch_size,
    "pictures_of_probe": linear_probe.PICTURES,
    "ridge": linear_probe.RIDGE,
  }


def earlier(path: pathlib.Path) -> list[dict[str, Any]]:
  """Rows of a file that was written with the same settings."""
  if not path.exists():
    return []
  found = json.loads(path.read_text("utf-8"))
  return found["rows"] if found["settings"] == settings() else []


def cases(references: dict[str, float]) -> Iterator[tuple[str, str]]:
  """Yields (name, argument string of the config).

  Those of one kind alone come first: the others need their losses.

  Args:
    references: Task -> loss, empty at first; the caller fills it.
  """
  from configs.pattern_semantic import PATTERN, SEMANTIC

  averaging = "strategy=uniform"
  for case, outputs in zip(ALONE, (PATTERN, SEMANTIC), strict=True):
    yield case, f"{averaging},outputs={outputs}"
  yield UNTRAINED, averaging
  yield "averaging", averaging
  nadir = tuple(references[name] for name in PATTERN + SEMANTIC)
  yield "minimax, log ratio", f"signal=log_ratio+ema,decay=0.9,nadir={nadir}"
  yield "minimax, from start", ""


def config_of(text: str):
  """The config with an argument string."""
  from configs import pattern_semantic

  return pattern_semantic.get_config(text)


class Kept:
  """The scenes of a config, rendered once."""

  def __init__(self, config):
    from taskrobust_jax.train import datasets

    scenes = datasets.open_dataset(config, None)
    self.info = scenes.info
    self._rows = {}
    for name in ("train", "eval"):
      source = scenes.split(name)
      self._rows[name] = KeptRows(source.read(range(len(source))))

  def split(self, name: str) -> "KeptRows":
    """The rows of "train" or "eval"."""
    return self._rows[name]


class KeptRows:
  """Rows in memory, read as those of a dataset."""

  def __init__(self, values: dict[str, np.ndarray]):
    self.values = values

  def __len__(self) -> int:
    return len(self.values["rgb"])

  def read(self, indices) -> dict[str, np.ndarray]:
    """Rows by index."""
    return {name: x[np.asarray(indices)] for name, x in self.values.items()}


def pretrainer(text: str, dataset: Kept) -> Callable[..., dict[str, Any]]:
  """Makes (seed, is_trained) -> what is to be told of a run.

  Runs that differ in their seed alone share a compiled step.
  """
  import jax

  from taskrobust_jax.data.order import Order
  from taskrobust_jax.train import sections, state, suites
  from taskrobust_jax.train.step import make_train_step

  config = config_of(text)
  init_params, suite = suites.make_suite(config, dataset.info)
  names = suite.task_names
  weighting = sections.make_weighting(
    config.minimax, num_steps=config.num_steps
  )
  _, tx = sections.optimizer(config, weighting, len(names))
  initial = jax.jit(lambda seed: state.initial_state(init_params, tx, seed))
  step = jax.jit(make_train_step(suite, tx))
  scenes = dataset.split("train")
  encode = linear_probe.encoder(suite, len(dataset.info.class_names))

  def pretrain(seed: int, is_trained: bool = True) -> dict[str, Any]:
    began, told = time.process_time(), []
    order = Order(len(scenes), config.batch_size, seed)
    now = initial(seed)
    for index in range(config.num_steps if is_trained else 0):
      now, metrics = step(now, scenes.read(order.rows(index)))
      told.append((metrics.losses, metrics.task_weights))
    found = linear_probe.probe(encode, now.params, dataset)
    if told:
      losses, weights = map(np.array, zip(*jax.device_get(told), strict=True))
      by_task = lambda values: dict(zip(names, values.tolist(), strict=True))
      found["first_losses"] = by_task(losses[:FIRST_STEPS].mean(0))
      found["last_losses"] = by_task(losses[-LAST_STEPS:].mean(0))
      found["mean_weights"] = by_task(weights.mean(0))
    return found | {"cpu_seconds": time.process_time() - began}

  return pretrain


def draw(rows: list[dict[str, Any]], path: pathlib.Path) -> None:
  """Writes the picture: two probes, and what the adversary worked on."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  cases = list(dict.fromkeys(row["case"] for row in rows))
  of = lambda case: [row for row in rows if row["case"] == case]
  figure = Figure(figsize=(13, 3.6), dpi=130, layout="constrained")
  FigureCanvasAgg(figure)
  panels = figure.subplots(1, 3, sharey=True)
  for axes, key, title in (
    (panels[0], "miou", "Classes: mIoU, higher is better"),
    (panels[1], "degrees", "Normals: degrees, lower is better"),
  ):
    for place, case in enumerate(cases):
      values = [row[key] for row in of(case)]
      is_joint = case not in (UNTRAINED, *ALONE)
      colour = "#0072B2" if is_joint else "#777777"
      axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.6)
      axes.plot(np.mean(values), place, "|", color=colour, ms=22, mew=2)
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
  axes = panels[2]
  tasks = list(of("averaging")[0]["mean_weights"])
  colours = ("#E69F00", "#D55E00", "#CC79A7", "#009E73", "#56B4E9")
  for place, case in enumerate(cases):
    left = 0.0
    for task, colour in zip(tasks, colours, strict=True):
      weight = np.mean(
        [row.get("mean_weights", {}).get(task, 0.0) for row in of(case)]
      )
      label = task if case == cases[-1] else None
      axes.barh(place, weight, left=left, color=colour, label=label)
      left += weight
  axes.set_title(
    "Task weights, mean over training",
    loc="left",
    fontsize=11,
    fontweight="bold",
  )
  axes.legend(
    loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=9
  )
  panels[0].set_yticks(range(len(cases)), cases)
  panels[0].invert_yaxis()
  for axes in panels:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e6e6e6")
    axes.set_axisbelow(True)
  figure.savefig(path)


if __name__ == "__main__":
  _OUT = flags.DEFINE_string(
    "out", "notebooks/results", "Folder of the JSON and the picture."
  )
  program.run(lambda: main(_OUT.value))
