"""A plan as text and as JSON."""

from typing import Any

from taskrobust_jax.planning.plan import Plan

_GIB = 2**30
_MIB = 2**20


def as_text(plan: Plan) -> str:
  """The tables that `compile` prints."""
  used = plan.bytes_in_all
  slices = f"{plan.num_slices} x " if plan.num_slices > 1 else ""
  mesh = " x ".join(f"{name} {size}" for name, size in plan.mesh.items())
  lines = [
    f"{slices}{plan.topology}: {plan.num_chips} chips, mesh {mesh}",
    f"{plan.num_params:,} params, {plan.num_tasks} tasks, batch "
    f"{plan.batch_size:,}; compiled in {plan.compile_seconds:.0f} s",
    "",
    "memory of a chip      GiB",
    f"arguments       {plan.arguments / _GIB:>9.2f}",
    f"temporaries     {plan.temporaries / _GIB:>9.2f}",
    f"output          {plan.output / _GIB:>9.2f}",
    f"in all          {used / _GIB:>9.2f}  of {plan.memory / _GIB:.0f} "
    f"({used / plan.memory:.0%})",
    "",
    f"{'collective':<20}{'axis':<18}{'count':>6}{'MiB':>11}{'sent, MiB':>12}",
    *(
      f"{row.kind:<20}{row.axes:<18}{row.count:>6}"
      f"{row.num_bytes / _MIB:>11.3f}{row.sent / _MIB:>12.3f}"
      for row in plan.collectives
    ),
    f"{'sent in all':<44}{_sent(plan) / _MIB:>23.3f}",
    "",
    "least that must be sent, MiB: "
    + ", ".join(
      f"{axis} {value / _MIB:.3f}" if value >= 1e4 else f"{axis} {value:.0f} B"
      for axis, value in plan.least_sent.items()
      if value
    ),
    f"arithmetic: {plan.flops / 1e12:.3f} TFLOP a chip",
    "time of a step, an estimate (each at the chip's published peak):",
    *(
      f"  {name:<12}{1e3 * value:>9.2f} ms"
      for name, value in plan.seconds.items()
    ),
    f"  {1e3 * max(plan.seconds.values()):.1f} ms if all overlap, "
    f"{1e3 * sum(plan.seconds.values()):.1f} ms if nothing does",
  ]
  return "\n".join(lines)


def as_json(plan: Plan) -> dict[str, Any]:
  """The same as JSON values; bytes, FLOPs and seconds of a chip and step."""
  return {
    **plan._asdict(),
    "collectives": [row._asdict() for row in plan.collectives],
    "bytes_in_all": plan.bytes_in_all,
    "sent": _sent(plan),
    "seconds_all_at_once": max(plan.seconds.values()),
    "seconds_one_after_the_other": sum(plan.seconds.values()),
  }


def _sent(plan: Plan) -> float:
  return sum(row.sent for row in plan.collectives)
