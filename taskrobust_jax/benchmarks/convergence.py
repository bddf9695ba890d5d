"""Convergence on convex problems whose minimax value is known, under bounds.

  python -m taskrobust_jax.benchmarks.convergence [--out=FOLDER]

Gaps max_k L_k(x) - V of five methods on five problems for 16 to 4096 steps,
each beside its bound, and the slopes of both in log-log; then what softmax
weights cost: noise, temperature, a gradient through the softmax. Claims: every
gap lies under its bound; mirror ascent falls like 1 / sqrt(T) on the game and
on piecewise linear losses, optimistic steps and mirror-prox like 1 / T on the
game and on quadratics; softmax weights lie under t log K; through the softmax
descent does not converge to the minimax. It exits with 1 if a gap is not under
its bound.

With --out: convergence.json and convergence.png. The logistic regressions need
scikit-learn and are left out without it. About a minute on one core.
"""

from collections.abc import Sequence
import importlib.util
import os
import time
from typing import Any

from absl import flags
import jax

from taskrobust_jax import errors, program
from taskrobust_jax.benchmarks import convergence_effects as effects
from taskrobust_jax.benchmarks import convergence_methods as methods
from taskrobust_jax.benchmarks import convergence_problems as problems
from taskrobust_jax.benchmarks import measure

NUM_STEPS = tuple(2**power for power in range(4, 13))
FIRST_OF_SLOPE = 256
TEMPERATURES = (None, 10.0, 3.3, 1.0, 0.33, 0.1, 0.033, 0.01)
BATCH_SIZES = (2, 8, 32, 128)
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
_MARKERS = "osD^v"


def main(out: str | None) -> int:
  """Prints the tables; writes them and the picture into the folder `out`."""
  began = time.process_time()
  # Tiny shapes: the CPU, whatever else the machine has.
  with jax.default_device(jax.devices("cpu")[0]):
    gaps = measure_gaps(make_problems(), NUM_STEPS)
    rows = gaps + measure_effects()
  seconds = time.process_time() - began
  print(f"\nCPU time of the process: {seconds:.0f} s")
  if out:
    measure.write(
      os.path.join(out, "convergence.json"),
      rows,
      first_step_of_slope=FIRST_OF_SLOPE,
      dtype="float32",
      cpu_seconds=round(seconds, 1),
    )
    write_figure(rows, os.path.join(out, "convergence.png"))
  over = [row for row in rows if (row.get("of_bound") or 0) > 1]
  for row in over:
    print(f"not under its bound: {row}")
  return errors.FAULT if over else errors.DONE


def make_problems() -> list[problems.Problem]:
  """The five problems; three without scikit-learn."""
  found = [
    problems.matrix_game(),
    problems.piecewise_linear(),
    problems.quadratics(),
  ]
  if importlib.util.find_spec("sklearn") is None:
    print("scikit-learn is not installed: no logistic regressions")
    return found
  return found + [
    problems.logistic("breast_cancer"),
    problems.logistic("digits"),
  ]


def measure_gaps(
  of_problems: Sequence[problems.Problem], all_num_steps: Sequence[int]
) -> list[dict[str, Any]]:
  """Prints and returns gaps, slopes and the adversary's regret.

  Rows of `table` "gap" have `gap`, `bound` and `of_bound`, their ratio, for
  each T; those of "slope" the slope over T >= FIRST_OF_SLOPE and the power of T
  in the bound; those of "regret" the regret of mirror ascent for the largest
  T.
  """
  rows = []
  late = [t for t in all_num_steps if t >= FIRST_OF_SLOPE]
  print(
    "problem           R      G      l       B       V          certificate"
  )
  for problem in of_problems:
    solution = problem.solution
    print(
      f"{problem.name:16} {problem.radius:5.2f}  {problem.lipschitz:5.2f}"
      f"  {problem.smoothness:5.2f}  {problem.loss_range:6.2f}"
      f"  {solution.upper:.8f}  {abs(solution.upper - solution.lower):.0e}"
    )
  print(
    f"\nproblem          method            gap, T = {all_num_steps[0]:<5}"
    f"T = {all_num_steps[-1]:<5}  bound    gap / bound   slope  of bound",
    flush=True,
  )
  for problem in of_problems:
    names = {"problem": problem.name}
    for name, method in methods.METHODS.items():
      if problem.smoothness == float("inf") and not method.takes_kinks:
        continue
      names["method"] = name
      found = methods.measure(problem, method, all_num_steps)
      rows += [
        {
          "table": "gap",
          **names,
          "num_steps": num_steps,
          "gap": gap,
          "bound": bound,
          "of_bound": gap / bound,
        }
        for num_steps, (gap, bound) in zip(all_num_steps, found, strict=True)
      ]
      slope = methods.slope(late, [gap for gap, _ in found[-len(late) :]])
      rows.append(
        {"table": "slope", **names, "slope": slope, "rate": method.rate}
      )
      ratios = [gap / bound for gap, bound in found]
      print(
        f"{problem.name:16} {name:16}  {found[0][0]:.2e}    {found[-1][0]:.2e}"
        f"  {found[-1][1]:.2e}  {min(ratios):.3f}-{max(ratios):.3f}  "
        f"{slope:6.2f}  {method.rate:5.1f}",
        flush=True,
      )
    regret, bound = methods.measure_regret(problem, all_num_steps[-1])
    rows.append(
      {
        "table": "regret",
        "problem": problem.name,
        "num_steps": all_num_steps[-1],
        "regret": regret,
        "bound": bound,
        "of_bound": regret / bound,
      }
    )
  print("\nregret of the weights of mirror ascent, and its certificate")
  for row in rows:
    if row["table"] == "regret":
      print(f"{row['problem']:16} {row['regret']:.2e}  {row['bound']:.2e}")
  return rows


def measure_effects() -> list[dict[str, Any]]:
  """Prints and returns what noise, temperature and gradient do."""
  rows = []
  print(
    "\nshift of the settled point by noisy weights; in brackets to first order"
  )
  print(" " * 32 + "".join(f"batch {size:<14}" for size in BATCH_SIZES))
  for shown in effects.SHOWN:
    found = [effects.noise_bias(size, shown) for size in BATCH_SIZES]
    rows += [{"table": "noise", **row} for row in found]
    cells = [f"{x['shift']:+.5f} ({x['predicted']:+.5f})  " for x in found]
    print(f"{shown:32}{''.join(cells)}", flush=True)
  print(
    "standard deviation             "
    + "".join(f" {x['error']:.5f}             " for x in found)
  )

  print("\ntemperature  excess of the worst loss  t log K")
  for temperature in TEMPERATURES:
    row = effects.temperature_bias(temperature)
    bound = row["bound"]
    row["of_bound"] = row["excess"] / bound if bound else None
    rows.append({"table": "temperature", **row})
    print(
      f"{temperature or 'average':<12} {row['excess']:8.4f}"
      f"                  {bound or float('nan'):8.4f}"
    )

  print("\nthrough the softmax  x       losses          nearest to x* = 40")
  for through_softmax in (False, True):
    row = effects.through_the_softmax(through_softmax)
    rows.append({"table": "through_softmax", **row})
    first, second = row["losses"]
    print(
      f"{through_softmax!s:19}  {row['x']:6.3f}  {first:.4f}, {second:.4f}"
      f"  {row['least_distance']:.3f}"
    )
  return rows


def write_figure(rows: Sequence[dict[str, Any]], path: str) -> None:
  """Writes a PNG: a panel a problem, gaps and bounds, and the temperatures."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  figure = Figure(figsize=(14, 8.4), dpi=130, layout="constrained")
  figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1, wspace=0.03, hspace=0.04)
  FigureCanvasAgg(figure)
  names = list(dict.fromkeys(r["problem"] for r in rows if "problem" in r))
  panels = figure.subplots(2, 3).ravel()
  for panel, name in zip(panels, names, strict=False):
    for (method, colour), marker in zip(
      zip(methods.METHODS, _COLOURS, strict=True), _MARKERS, strict=True
    ):
      points = [
        (row["num_steps"], row["gap"], row["bound"])
        for row in rows
        if row["table"] == "gap"
        and (row["problem"], row["method"]) == (name, method)
      ]
      if points:
        steps, gaps, limits = zip(*points, strict=True)
        panel.plot(steps, gaps, marker + "-", color=colour, ms=4.5, lw=1.6)
        panel.plot(steps, limits, ":", color=colour, lw=1.4)
    _finish(panel, name, "steps T", "gap of the worst loss")
  for panel in panels[len(names) :]:
    panel.set_axis_off()
  panel = panels[-1]
  panel.set_axis_on()
  points = [row for row in rows if row["table"] == "temperature"]
  smoothed = [row for row in points if row["temperature"]]
  temperatures = [row["temperature"] for row in smoothed]
  panel.plot(
    temperatures, [row["excess"] for row in smoothed], "ko-", ms=4.5, lw=1.6
  )
  panel.plot(temperatures, [row["bound"] for row in smoothed], "k:", lw=1.4)
  average = next(row["excess"] for row in points if not row["temperature"])
  panel.axhline(average, color="#777777", ls="--", lw=1.2)
  panel.text(
    *(temperatures[-1], average * 1.15, "average of the losses"),
    color="#555555",
    fontsize=10,
  )
  panel.text(
    *(temperatures[1] * 0.8, smoothed[1]["bound"]),
    "t log K",
    ha="right",
    fontsize=10,
  )
  _finish(
    *(panel, "quadratics: bias of a smoothed maximum"),
    *("temperature t", "excess of the worst loss"),
  )

  lines = [
    panels[0].plot([], [], marker + "-", color=colour, label=name)[0]
    for name, colour, marker in zip(
      methods.METHODS, _COLOURS, _MARKERS, strict=True
    )
  ]
  lines += panels[0].plot([], [], ":", color="#555555", label="its bound")
  figure.legend(
    handles=lines, loc="outside upper center", ncols=6, frameon=False
  )
  figure.savefig(path)
  print(f"wrote {path}")


def _finish(panel, title, x_label, y_label):
  panel.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label)
  panel.set_title(title, fontsize=12)
  panel.grid(color="#dddddd", lw=0.6)
  panel.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
  _OUT = flags.DEFINE_string("out", None, "Folder of the JSON and the PNG.")
  program.run(lambda: main(_OUT.value))
