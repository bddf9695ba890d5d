"""A scene made by hand, and a slow ray caster that shares no formula."""

import math

import numpy as np

from taskrobust_jax.data.pictures import scene_sampling, scene_textures

LEVEL = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)
FAR = [0.0, -1.0, 500.0]


def scene(solids=(), *, light=FAR, camera=LEVEL, height=50.0, walls=()):
  """A scene of plain grey surfaces; solids are (kind, centre, half, angle)."""
  count = 1 + len(walls) + len(solids)
  array = lambda values: np.array(values, np.float32)
  return scene_sampling.Scene(
    camera=camera,
    focal=1.0,
    height=height,
    floor_radius=30.0,
    wall_normals=array([n for n, _ in walls]).reshape(-1, 3),
    wall_distances=array([d for _, d in walls]),
    wall_height=height + 2,
    solids=np.array([s[0] for s in solids], np.int32),
    centres=array([s[1] for s in solids]).reshape(-1, 3),
    half_sizes=array([s[2] for s in solids]).reshape(-1, 3),
    angles=array([s[3] for s in solids]),
    light=array(light),
    light_colour=array([0.5] * 3),
    ambient=array([0.2] * 3),
    sky=array([[0.5] * 3] * 2),
    materials=scene_sampling.Materials(
      kinds=np.full(count, scene_textures.PLAIN, np.int32),
      scales=np.ones(count, np.float32),
      phases=np.zeros((count, 3), np.float32),
      directions=np.tile(array([1, 0, 0]), (count, 1)),
      colours=np.full((count, 2, 3), 0.5, np.float32),
      gloss=np.zeros(count, np.float32),
    ),
  )


def looking_down(pitch):
  """The camera's axes at a pitch, as `Scene.camera` has them."""
  c, s = math.cos(pitch), math.sin(pitch)
  return np.array([[1, 0, 0], [0, -s, -c], [0, c, -s]], np.float32)


def ray(scene, size, row, column):
  """A pixel's direction, 1 long along the optical axis, in float64."""
  right, down, ahead = scene.camera.astype(np.float64)
  across = (column + 0.5 - size / 2) / (scene.focal * size)
  below = (row + 0.5 - size / 2) / (scene.focal * size)
  return across * right + below * down + ahead


def hits(scene, origin, direction):
  """Yields (t, class, outward normal) of whatever a ray meets, t > 0."""
  o, d = origin, direction
  if d[2]:
    t = (-scene.height - o[2]) / d[2]
    p = o + t * d
    if p[0] ** 2 + p[1] ** 2 < scene.floor_radius**2:
      yield t, 1, (0.0, 0.0, 1.0)
  for n, distance in zip(scene.wall_normals, scene.wall_distances):
    if n @ d:
      t = (-float(distance) - n @ o) / (n @ d)
      above = (o + t * d)[2] + scene.height
      if n @ d < 0 and 0 < above < scene.wall_height:
        yield t, 2, tuple(n)
  parts = zip(scene.solids, scene.centres, scene.half_sizes, scene.angles)
  for kind, centre, half, angle in parts:
    c, s = math.cos(angle), math.sin(angle)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    lo, ld = turn @ (o - centre), turn @ d
    for t, normal in [_sphere, _box, _cylinder][kind](lo, ld, half):
      yield t, 3 + int(kind), tuple(turn.T @ normal)


def nearest(scene, origin, direction):
  """The first of `hits`, or None."""
  found = [hit for hit in hits(scene, origin, direction) if hit[0] > 1e-9]
  return min(found, default=None)


def _roots(a, b, c):
  inside = b * b - 4 * a * c
  if a == 0 or inside < 0:
    return []
  return [(-b - math.sqrt(inside)) / (2 * a), (-b + math.sqrt(inside)) / 2 / a]


def _sphere(o, d, half):
  for t in _roots(d @ d, 2 * (o @ d), o @ o - float(half[0]) ** 2):
    yield t, (o + t * d) / half[0]


def _box(o, d, half):
  for axis in range(3):
    for sign in (-1, 1):
      if d[axis]:
        t = (sign * half[axis] - o[axis]) / d[axis]
        p = o + t * d
        others = [i for i in range(3) if i != axis]
        if all(abs(p[i]) <= half[i] for i in others):
          yield t, sign * np.eye(3)[axis]


def _cylinder(o, d, half):
  r, h = float(half[0]), float(half[2])
  flat = d[0] ** 2 + d[1] ** 2
  b, c = 2 * (o[0] * d[0] + o[1] * d[1]), o[0] ** 2 + o[1] ** 2 - r * r
  for t in _roots(flat, b, c):
    p = o + t * d
    if abs(p[2]) <= h:
      yield t, np.array([p[0] / r, p[1] / r, 0])
  for sign in (-1, 1):
    if d[2]:
      t = (sign * h - o[2]) / d[2]
      p = o + t * d
      if p[0] ** 2 + p[1] ** 2 <= r * r:
        yield t, np.array([0, 0, float(sign)])
