"""What devices send each other, read from a compiled program's text (HLO)."""

from collections.abc import Iterator, Mapping, Sequence
import itertools
import math
import re
from typing import NamedTuple

import numpy as np

KINDS = (
  "all-reduce",
  "all-gather",
  "reduce-scatter",
  "all-to-all",
  "collective-permute",
)
_BYTES = {
  **dict.fromkeys(("pred", "s8", "u8"), 1),
  **dict.fromkeys(("f16", "bf16", "s16", "u16"), 2),
  **dict.fromkeys(("f32", "s32", "u32"), 4),
  **dict.fromkeys(("f64", "s64", "u64"), 8),
}
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.-]+) = (.*)$")
_OPCODE = re.compile(r"(?:^|[\s)}])([a-z][a-z0-9-]*)\(")
_CALLED = re.compile(
  r"(?:body|condition|calls|to_apply|branch_computations|true_computation"
  r"|false_computation|called_computations)=(\{[^}]*\}|%?[\w.-]+)"
)
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


class Collective(NamedTuple):
  """All collectives of one kind, over the same axes.

  Attributes:
    kind: One of `KINDS`.
    axes: Of the mesh, joined by "+"; "other" if the groups are no axes.
    count: How often a device runs one in a step.
    num_bytes: Of the arrays that are reduced, gathered or moved, a device and
      step.
    sent: Bytes that a device sends at least, by the best algorithm.
  """

  kind: str
  axes: str
  count: int
  num_bytes: int
  sent: float


def sent_bytes(kind: str, num_bytes: float, group: int) -> float:
  """Bytes that each of `group` devices sends for an array of so many bytes.

  Those of ring algorithms, which no other can undercut: an all-reduce is a
  reduce-scatter and an all-gather.
  """
  share = (group - 1) / group
  return num_bytes * {"all-reduce": 2 * share, "collective-permute": 1.0}.get(
    kind, share
  )


def find_collectives(
  text: str, mesh_shape: Mapping[str, int]
) -> list[Collective]:
  """The collectives of a compiled program.

  Those inside a loop count as often as the loop runs, once if that is unknown.

  Args:
    text: `compiled.as_text()`.
    mesh_shape: Axis -> size, of the mesh that it was compiled for.

  Returns:
    One for each kind and axes, the most bytes first.
  """
  computations, entry = _computations(text)
  found = {}
  for times, lines in _walk(computations, entry):
    types = {
      line[1]: line[2] for line in map(_INSTRUCTION.match, lines) if line
    }
    for line in lines:
      seen = _collective(line, types, mesh_shape)
      if seen is None:
        continue
      kind, axes, num_bytes, group = seen
      count, total, sent = found.get((kind, axes), (0, 0, 0.0))
      found[kind, axes] = (
        count + times,
        total + times * num_bytes,
        sent + times * sent_bytes(kind, num_bytes, group),
      )
  rows = [Collective(*key, *value) for key, value in found.items()]
  return sorted(rows, key=lambda row: -row.num_bytes)


def _computations(text: str) -> tuple[dict[str, list[str]], str]:
  """(name -> lines, the entry's name)."""
  computations, entry, current = {}, "", None
  for line in text.splitlines():
    if match := _COMPUTATION.match(line):
      current = computations.setdefault(match[2], [])
      entry = match[2] if match[1] else entry
    elif line.startswith("}"):
      current = None
    elif current is not None:
      current.append(line)
  return computations, entry


def _walk(
  computations: Mapping[str, list[str]], name: str, times: int = 1
) -> Iterator[tuple[int, list[str]]]:
  """(how often it runs, its lines) of a computation and of all it calls."""
  lines = computations.get(name, [])
  yield times, lines
  for line in lines:
    trips = _trips(line, computations) if " while(" in line else 1
    for called in _CALLED.findall(line):
      for inner in re.findall(r"[\w.-]+", called):
        yield from _walk(computations, inner, times * trips)


def _trips(line: str, computations: Mapping[str, list[str]]) -> int:
  """How often a loop runs: as the compiler says, or by its condition.

  The condition of a scan compares a counter from 0 with a constant.
  """
  if known := _TRIPS.search(line):
    return int(known[1])
  condition = re.search(r"condition=%?([\w.-]+)", line)
  lines = "\n".join(computations.get(condition[1], ()))
  limits = set(re.findall(r" = s32\[\][^ ]* constant\((\d+)\)", lines))
  is_scan = len(limits) == 1 and "direction=LT" in lines
  return int(limits.pop()) if is_scan else 1


def _collective(line, types, mesh_shape):
  """(kind, axes, bytes, devices in a group) of a line, or `None`."""
  match = _INSTRUCTION.match(line)
  opcode = match and _OPCODE.search(match[2])
  kind = opcode and opcode[1].removesuffix("-start")
  if kind not in KINDS:
    return None
  operands = match[2][opcode.end() :].split(")")[0]
  names = re.findall(r"%([\w.-]+)", operands) or operands.split(", ")
  size = sum(_size(types.get(name, "").split("(")[0]) for name in names)
  groups = _groups(line)
  group = len(groups[0])
  if kind == "all-gather":
    size *= group
  is_permutation = kind == "collective-permute"
  return kind, _axes(groups, mesh_shape, is_permutation), size, group


def _size(text: str) -> int:
  """Bytes of the arrays in a type such as "(f32[8,4]{1,0}, s32[])"."""
  return sum(
    _BYTES[kind] * math.prod(int(n) for n in shape.split(",") if n)
    for kind, shape in re.findall(r"(\w+)\[([\d,]*)\]", text)
    if kind in _BYTES
  )


_MESH_GROUPS = re.compile(
  r"replica_groups=mesh\[([^\]]*)\]"
  r"(?:, device_ids=\((.*?)\))? \{([^}]*)\}"
)


def _groups(line: str) -> list[tuple[int, ...]]:
  """Which devices talk to each other, in any of the forms of HLO."""
  if match := _MESH_GROUPS.search(line):
    return _mesh_groups(*match.groups())
  if match := re.search(
    r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?", line
  ):
    shape, dims, order = (
      [int(n) for n in part.split(",")] if part else None
      for part in match.groups()
    )
    ids = np.arange(math.prod(dims)).reshape(dims)
    if order is not None:
      ids = ids.transpose(order)
    return [tuple(row) for row in ids.reshape(shape).tolist()]
  if match := re.search(
    r"(?:replica_groups|source_target_pairs)=\{(\{[\d,{}]*\})\}", line
  ):
    return [
      tuple(int(n) for n in group.split(","))
      for group in re.findall(r"\{([\d,]+)\}", match[1])
    ]
  return [(0,)]


def _mesh_groups(
  mesh: str, device_ids: str | None, axes: str
) -> list[tuple[int, ...]]:
  """Groups along axes of a mesh of the compiler's own.

  Args:
    mesh: Such as "'a'=2,'b'=4".
    device_ids: Such as "[2,4]T(1,0)" or "0,4,1,5"; `None` for 0, 1, ...
    axes: Such as "'a'" or "'b':(2)2", a part of an axis: of size 2, inside of
      another part of size 2.
  """
  sizes = {name: int(n) for name, n in re.findall(r"'(\w+)'=(\d+)", mesh)}
  ids = np.arange(math.prod(sizes.values()))
  if device_ids and (match := re.match(r"\[([\d,]+)\]T\(([\d,]+)", device_ids)):
    dims, order = ([int(n) for n in part.split(",")] for part in match.groups())
    ids = ids.reshape(dims).transpose(order)
  elif device_ids and not device_ids.startswith("["):
    ids = np.array([int(n) for n in device_ids.split(",")])
  # Every axis as (outside, wanted, inside); wanted is 1 where it is not.
  shape, wanted = [], []
  parts = {
    name: (int(before or 1), int(size or sizes[name]))
    for name, before, size in re.findall(r"'(\w+)'(?::\((\d+)\)(\d+))?", axes)
  }
  for name, size in sizes.items():
    before, own = parts.get(name, (size, 1))
    wanted.append(len(shape) + 1)
    shape += [before, own, size // (before * own)]
  ids = np.moveaxis(ids.reshape(shape), wanted, range(-len(wanted), 0))
  group = math.prod(shape[axis] for axis in wanted)
  return [tuple(row) for row in ids.reshape(-1, group).tolist()]


def _axes(
  groups: Sequence[tuple[int, ...]],
  mesh_shape: Mapping[str, int],
  is_permutation: bool,
) -> str:
  """The axes along which the devices of a group differ, if they are all."""
  names = [name for name, size in mesh_shape.items() if size > 1]
  ids = np.arange(math.prod(mesh_shape.values())).reshape(
    tuple(mesh_shape.values())
  )
  places = list(mesh_shape)
  seen = {frozenset(group) for group in groups}
  for number in range(1, len(names) + 1):
    for chosen in itertools.combinations(names, number):
      axes = [places.index(name) for name in chosen]
      size = math.prod(mesh_shape[name] for name in chosen)
      rows = np.moveaxis(ids, axes, range(-len(axes), 0)).reshape(-1, size)
      whole = {frozenset(row) for row in rows.tolist()}
      # A permutation's pairs lie inside of a group.
      if seen == whole or (
        is_permutation and all(any(x <= y for y in whole) for x in seen)
      ):
        return "+".join(chosen)
  return "other"
