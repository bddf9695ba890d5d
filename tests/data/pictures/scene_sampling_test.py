"""What scenes are made of: nothing overlaps, looks do not tell the class."""

import itertools
import math

import numpy as np

from taskrobust_jax.data.pictures import (
  scene_geometry,
  scene_sampling,
  scene_textures,
)


def test_solids_keep_apart_and_inside_of_the_walls():
  counts = []
  for index in range(200):
    scene = scene_sampling.sample(0, index)
    counts.append(len(scene.solids))
    assert scene.wall_height > scene.height
    bottoms = scene.centres[:, 2] - scene.half_sizes[:, 2]
    assert (bottoms > -scene.height - 1e-5).all()
    wide = [
      half[0]
      if kind != scene_geometry.BOX
      else math.hypot(float(half[0]), float(half[1]))
      for kind, half in zip(scene.solids, scene.half_sizes)
    ]
    for normal, distance in zip(scene.wall_normals, scene.wall_distances):
      assert (scene.centres @ normal + distance > np.array(wide)).all()
      assert scene.light @ normal + distance > 0.4
    for a, b in itertools.combinations(range(len(wide)), 2):
      apart = math.dist(scene.centres[a, :2], scene.centres[b, :2])
      above = abs(scene.centres[a, 2] - scene.centres[b, 2])
      heights = scene.half_sizes[a, 2] + scene.half_sizes[b, 2]
      assert apart > wide[a] + wide[b] or above > heights - 1e-5
  assert 3 <= min(counts)
  assert max(counts) == 8


def test_a_texture_does_not_tell_what_it_is_on():
  by_part = {"floor": [], "wall": [], "solid": []}
  for index in range(300):
    scene = scene_sampling.sample(0, index)
    kinds = scene.materials.kinds
    walls = len(scene.wall_distances)
    by_part["floor"].append(kinds[0])
    by_part["wall"].extend(kinds[1 : 1 + walls])
    by_part["solid"].extend(kinds[1 + walls :])
  for kinds in by_part.values():
    share = np.bincount(kinds, minlength=len(scene_textures.KINDS)) / len(kinds)
    assert (abs(share - 1 / len(share)) < 0.07).all()


def test_a_neighbouring_index_is_another_scene():
  scenes = [scene_sampling.sample(5, index) for index in range(50)]
  assert len({scene.focal for scene in scenes}) == 50
