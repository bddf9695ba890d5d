r"""Evaluates a checkpoint of a run on the held-out rows.

  python -m taskrobust_jax.evaluate --workdir=DIR --data_dir=DIR [--step=N]

The config is the run's own. Nothing is written.
"""

from absl import flags

from taskrobust_jax import program
from taskrobust_jax.train.evaluation import evaluate_state
from taskrobust_jax.train.restored import restore

_WORKDIR = program.define_folder("workdir", "The run's folder.")
_DATA_DIR = program.define_folder("data_dir", "What `prepare` wrote.")
_STEP = flags.DEFINE_integer("step", None, "Which checkpoint; the latest.")


def main() -> None:
  """Restores the checkpoint and prints every task's held-out loss."""
  experiment, _, state = restore(_WORKDIR.value, _DATA_DIR.value, _STEP.value)
  values = evaluate_state(experiment.evaluate, state)
  print(f"held-out, step {int(state.step)}")
  _print(experiment.task_names, values, "eval")
  if state.averages:
    print("the same of the averaged params")
    _print(experiment.task_names, values, "eval_averaged")


def _print(task_names, values, prefix) -> None:
  for name in task_names:
    if f"{prefix}/loss/{name}" in values:
      accuracy = values.get(f"{prefix}/accuracy/{name}")
      print(
        f"  {name:<20} loss {values[f'{prefix}/loss/{name}']:7.4f}"
        + ("" if accuracy is None else f"  accuracy {accuracy:6.1%}")
        + f"  of {values[f'{prefix}/count/{name}']:,.0f}"
      )
  for name in ("worst", "mean"):
    print(f"  {name:<20} loss {values[f'{prefix}/{name}_task_loss']:7.4f}")


if __name__ == "__main__":
  flags.mark_flags_as_required(["workdir"])
  program.run(main)
