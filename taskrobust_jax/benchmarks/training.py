r"""Tokens a second of pre-training, minimax beside averaging, part by part.

  python -m taskrobust_jax.benchmarks.training --part=models
  python -m taskrobust_jax.benchmarks.training --part=overhead
  python -m taskrobust_jax.benchmarks.training --part=components

each writes notebooks/results/training_<part>_<device>.json; `--names=` measures
some of its rows anew and keeps the others.

models: BERT-base at 128 and 512, each by "native" work (logits of the 15 % of
  positions that are masked) and "equal" work (of all, as transformers' BERT
  computes them), ViT-B MAE, MultiMAE.
overhead: minimax beside the mean of the losses and `jax.grad`, K = 1, 4, 16:
  the ratio of their time, in turn, and of the memory of their programs.
components: what a BERT-base step is made of, each piece forwards and backwards
  by itself, beside what limits it: arithmetic at the rate of a large product of
  matrices, or bytes at the rate of a copy, both measured here.

On a CPU batches are small, a part takes some ten minutes, and seconds are those
of the process on its cores (`taskset -c 0` for one of them); on an accelerator
batches fill it, bfloat16 is used, and the wall clock counts. `training_torch`
puts PyTorch beside it.
"""

from collections.abc import Callable, Iterator, Sequence
import functools
import os
import statistics
import time
from typing import Any

from absl import flags
import jax
import jax.numpy as jnp

from taskrobust_jax import program
from taskrobust_jax.benchmarks import measure, models
from taskrobust_jax.benchmarks.components import PIECES, pieces
from taskrobust_jax.planning.flops import count_flops
from taskrobust_jax.train import state, suites

NUM_TASKS = (1, 4, 16)
# bfloat16 FLOP/s of products of matrices, as published.
PEAKS = {"NVIDIA H200": 989e12, "NVIDIA H100 80GB HBM3": 989e12}
# Name: (kind, argument, all positions, rows on a CPU, on an accelerator).
MODELS = {
  "bert_base_128": ("base", 128, False, 4, 512),
  "bert_base_128_all_positions": ("base", 128, True, 4, 256),
  "bert_base_512": ("base", 512, False, 4, 128),
  "bert_base_512_all_positions": ("base", 512, True, 4, 64),
  "vit_b_mae": ("mae", None, False, 4, 512),
  "vit_b_multimae": ("multimae", None, False, 4, 256),
}


def main(
  part_name: str, out: str | None, rounds: int, names: Sequence[str]
) -> None:
  """Measures a part, or some of its rows, and writes each when it is known."""
  key, of_names, settings_of, part = {
    "models": ("model", tuple(MODELS), model_settings, models_part),
    "overhead": ("num_tasks", NUM_TASKS, overhead_settings, overhead_part),
    "components": ("piece", PIECES, component_settings, components_part),
  }[part_name]
  chosen = measure.chosen(names, of_names)
  settings = settings_of()
  out = out or measure.result_path(f"training_{part_name}")
  for row in part(chosen, rounds, settings):
    measure.write(
      out,
      measure.replace_row(out, row, key, of_names),
      part=part_name,
      clock="process" if is_cpu() else "wall",
      num_cores=len(os.sched_getaffinity(0)),
      **settings,
    )


def model_settings() -> dict[str, Any]:
  """What all rows are compared with."""
  return {"matmul_flops_per_second": matmul_rate()}


def models_part(
  names: Sequence[str], rounds: int, settings: dict[str, Any]
) -> Iterator[dict[str, Any]]:
  """Yields a row for each model."""
  ceiling = settings["matmul_flops_per_second"]
  print(f"matmul ceiling {ceiling / 1e12:.3f} TFLOP/s")
  print(
    f"{'model':<30}{'rows':>5}{'s/step':>9}{'tokens/s':>10}{'of ceiling':>11}"
  )
  for name in names:
    work = work_of(name)
    train_step, tx = models.minimax_step(work.suite)
    _, run = models.compiled_step(train_step, tx, work)
    seconds = seconds_of(run, rounds)
    flops = count_flops(
      train_step,
      jax.eval_shape(
        functools.partial(state.initial_state, work.init_params, tx, 0)
      ),
      work.batch,
    )
    print(
      f"{name:<30}{work.num_rows:>5}{seconds:>9.3f}"
      f"{work.tokens / seconds:>10.0f}{flops / seconds / ceiling:>11.0%}",
      flush=True,
    )
    yield {
      "model": name,
      "rows": work.num_rows,
      "seconds": seconds,
      "tokens_per_second": work.tokens / seconds,
      "rows_per_second": work.num_rows / seconds,
      "flops": flops,
      "of_matmul_ceiling": flops / seconds / ceiling,
      **_of_peak(flops / seconds),
    }


def overhead_settings() -> dict[str, Any]:
  """The batch."""
  num_rows, length = (16, 32) if is_cpu() else (256, 128)
  return {"rows_a_step": num_rows, "row_length": length}


def overhead_part(
  names: Sequence[int], rounds: int, settings: dict[str, Any]
) -> Iterator[dict[str, Any]]:
  """Yields a row for each K: minimax by plain averaging."""
  print(f"{'K':>3}{'time':>8}{'95 % interval':>18}{'memory':>9}{'s/step':>9}")
  for num_tasks in names:
    config = config_for("base", settings["row_length"], False)
    work = models.workload(config, settings["rows_a_step"], num_tasks)
    (compiled, run), (base, run_base) = (
      models.compiled_step(*step, work)
      for step in (
        models.minimax_step(work.suite),
        models.plain_step(work.suite),
      )
    )
    ratio = measure.paired_ratio(run, run_base, rounds, clock())
    memory = _bytes(compiled) / _bytes(base)
    print(
      f"{num_tasks:>3}{ratio.median:>8.3f}   ({ratio.low:.3f}, "
      f"{ratio.high:.3f}){memory:>9.4f}{ratio.base_seconds:>9.3f}",
      flush=True,
    )
    yield {"num_tasks": num_tasks, "memory": memory, **ratio._asdict()}


def component_settings() -> dict[str, Any]:
  """The batch, and the rates that limit its pieces."""
  return {
    "rows_a_step": 4 if is_cpu() else 512,
    "row_length": 128,
    "matmul_flops_per_second": matmul_rate(),
    "copy_bytes_per_second": copy_rate(),
  }


def components_part(
  names: Sequence[str], rounds: int, settings: dict[str, Any]
) -> Iterator[dict[str, Any]]:
  """Yields a row for each piece of a BERT-base step of 128."""
  config = config_for("base", settings["row_length"], False)
  print(f"{'piece':<12}{'ms':>10}{'limit, ms':>11}  limited by")
  for piece in pieces(config, settings["rows_a_step"]):
    if piece.name not in names:
      continue
    seconds = seconds_of(piece.run, rounds)
    limits = {
      "arithmetic": piece.flops / settings["matmul_flops_per_second"],
      "bytes": piece.num_bytes / settings["copy_bytes_per_second"],
    }
    by = max(limits, key=limits.get)
    print(
      f"{piece.name:<12}{1e3 * seconds:>10.2f}{1e3 * limits[by]:>11.2f}  {by}",
      flush=True,
    )
    yield {
      "piece": piece.name,
      "seconds": seconds,
      "limit_seconds": limits[by],
      "limited_by": by,
      "flops": piece.flops,
      "bytes": piece.num_bytes,
    }


def is_cpu() -> bool:
  """Whether there is no accelerator."""
  return jax.default_backend() == "cpu"


def clock() -> Callable[[], float]:
  """CPU time of this process, which says nothing of an accelerator."""
  return time.process_time if is_cpu() else time.perf_counter


def work_of(name: str) -> models.Workload:
  """One of `MODELS`, with a batch for this hardware."""
  kind, length, all_positions, on_cpu, on_others = MODELS[name]
  config = config_for(kind, length, all_positions)
  return models.workload(config, on_cpu if is_cpu() else on_others)


def config_for(kind: str, length: int | None, all_positions: bool) -> Any:
  """A model's config for this hardware."""
  if kind in ("mae", "multimae"):
    config = models.vision_config(kind)
  else:
    config = models.bert_config(kind, length, all_positions=all_positions)
  for section in suites.transformers(config).values():
    section.dtype = "float32" if is_cpu() else "bfloat16"
    section.unroll = is_cpu()
  return config


def matmul_rate() -> float:
  """FLOP/s of a large product of matrices, the best of ten."""
  size = 2048 if is_cpu() else 8192
  x = jnp.ones((size, size), jnp.float32 if is_cpu() else jnp.bfloat16)
  product = jax.jit(lambda x: x @ x)
  return 2 * size**3 / _best(lambda: product(x).block_until_ready())


def copy_rate() -> float:
  """Bytes/s, read and written, of a copy; the best of ten."""
  x = jnp.ones(2**26 if is_cpu() else 2**30, jnp.float32)
  copy = jax.jit(lambda x: x + 1)
  return 2 * x.nbytes / _best(lambda: copy(x).block_until_ready())


def _best(run: Callable[[], Any]) -> float:
  run()
  return min(_seconds(run) for _ in range(10))


def seconds_of(run: Callable[[], Any], rounds: int) -> float:
  """Median seconds, after two calls that are not counted."""
  run(), run()
  return statistics.median(_seconds(run) for _ in range(rounds))


def _seconds(run):
  now = clock()
  began = now()
  run()
  return now() - began


def _of_peak(rate: float) -> dict[str, float]:
  """The share of the device's published peak, where it is known."""
  peak = PEAKS.get(jax.devices()[0].device_kind)
  return {"of_peak": rate / peak} if peak else {}


def _bytes(compiled: Any) -> int:
  memory = compiled.memory_analysis()
  return (
    memory.argument_size_in_bytes
    + memory.temp_size_in_bytes
    + memory.output_size_in_bytes
    - memory.alias_size_in_bytes
  )


if __name__ == "__main__":
  _PART = flags.DEFINE_enum(
    "part", None, ["models", "overhead", "components"], "What is measured."
  )
  _OUT = flags.DEFINE_string("out", None, "Where the JSON goes.")
  _ROUNDS = flags.DEFINE_integer("rounds", 7, "Steps timed.", lower_bound=6)
  flags.mark_flag_as_required("part")
  _NAMES = flags.DEFINE_list("names", [], "Rows to measure; all if none.")
  program.run(
    lambda: main(_PART.value, _OUT.value, _ROUNDS.value, _NAMES.value)
  )
