"""Collectives of compiled programs: kinds, axes, loops, bytes."""

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
import pytest

from taskrobust_jax.planning.collectives import find_collectives, sent_bytes
from taskrobust_jax.train.sharding import make_mesh


def compiled(function, mesh, *specs):
  shardings = [NamedSharding(mesh, spec) for spec in specs]
  shapes = [jax.ShapeDtypeStruct((64, 64), jnp.float32) for _ in specs]
  everywhere = NamedSharding(mesh, PartitionSpec())
  program = jax.jit(function, in_shardings=shardings, out_shardings=everywhere)
  return program.lower(*shapes).compile().as_text()


@pytest.mark.parametrize(
  ("axes", "name"),
  [
    ("data", "data"),
    ("fsdp", "fsdp"),
    ("tensor", "tensor"),
    (("data", "fsdp"), "data+fsdp"),
    (("fsdp", "tensor"), "fsdp+tensor"),
    (("data", "fsdp", "tensor"), "data+fsdp+tensor"),
  ],
)
def test_a_sum_over_an_axis_is_an_all_reduce_over_it(axes, name):
  mesh = make_mesh(2, 2, 2)
  text = compiled(
    lambda x, y: x @ y, mesh, PartitionSpec(None, axes), PartitionSpec(axes)
  )
  (row,) = find_collectives(text, mesh.shape)
  assert row[:4] == ("all-reduce", name, 1, 64 * 64 * 4)
  group = 2 ** (name.count("+") + 1)
  assert row.sent == 2 * 64 * 64 * 4 * (group - 1) / group


def test_a_gather_tells_the_bytes_of_the_whole():
  mesh = make_mesh(2, 4)
  text = compiled(lambda x: x + 1, mesh, PartitionSpec("fsdp"))
  (row,) = find_collectives(text, mesh.shape)
  assert row[:4] == ("all-gather", "fsdp", 1, 64 * 64 * 4)
  assert row.sent == 64 * 64 * 4 * 3 / 4


def test_what_a_loop_sends_counts_as_often_as_it_runs():
  mesh = make_mesh(8)

  def loop(x, y):
    spec = NamedSharding(mesh, PartitionSpec(None, "data"))
    body = lambda _, x: jax.lax.with_sharding_constraint(x @ y, spec)
    return jax.lax.fori_loop(0, 5, body, x)

  text = compiled(
    loop, mesh, PartitionSpec(None, "data"), PartitionSpec("data")
  )
  rows = find_collectives(text, mesh.shape)
  assert sum(row.count for row in rows if row.kind != "all-gather") == 5


def test_the_texts_of_other_compilers():
  text = """\
HloModule step

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
}

ENTRY %main (x: f32[4,8]) -> (f32[4,8], f32[2]) {
  %x = f32[4,8]{1,0:T(8,128)} parameter(0)
  %y = bf16[2]{0} parameter(1)
  %ar = (f32[4,8]{1,0}, bf16[2]{0}) all-reduce(%x, %y), channel_id=1, \
replica_groups=[2,4]<=[4,2]T(1,0), to_apply=%add
  %p = f32[4,8]{1,0} collective-permute(%x), \
source_target_pairs={{0,2},{2,4},{4,6},{6,0},{1,3},{3,5},{5,7},{7,1}}
  ROOT %odd = f32[4,8]{1,0} all-to-all(%x), replica_groups={{0,3},{1,2}}
}
"""
  rows = find_collectives(text, {"data": 4, "fsdp": 2, "tensor": 1})
  assert {row[:4] for row in rows} == {
    ("all-reduce", "data", 1, 132),
    ("collective-permute", "data", 1, 128),
    ("all-to-all", "other", 1, 128),
  }


def test_what_the_best_algorithm_sends():
  assert sent_bytes("all-reduce", 80, 4) == 120
  assert sent_bytes("reduce-scatter", 80, 4) == 60
  assert sent_bytes("all-gather", 80, 4) == 60
  assert sent_bytes("all-reduce", 80, 1) == 0
