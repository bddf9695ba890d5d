"""Draws a scene: a function of (seed, index) and nothing else.

World coordinates: the camera is the origin, z is up, the camera looks along y
but for its pitch and roll. Lengths are metres.
"""

import math
from typing import NamedTuple

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import scene_geometry, scene_textures

MAX_SEED = 2**32 - 1
MAX_INDEX = 2**40
# More are counted as this many.
MAX_SPHERES = 3


class Materials(NamedTuple):
  """How surfaces look; s of them: the floor, the walls, the solids.

  Attributes:
    kinds: int32 [s], of `scene_textures`.
    scales: float32 [s], texture cells a metre.
    phases: float32 [s, 3], in cells.
    directions: float32 [s, 3], unit vectors.
    colours: float32 [s, 2, 3], linear, 0 to 1.
    gloss: float32 [s], strength of the highlight, 0 to 0.5.
  """

  kinds: np.ndarray
  scales: np.ndarray
  phases: np.ndarray
  directions: np.ndarray
  colours: np.ndarray
  gloss: np.ndarray


class Scene(NamedTuple):
  """What is seen, by whom and in which light.

  Attributes:
    camera: float32 [3, 3]; its rows are the camera's axes (right, down, ahead)
      in world coordinates.
    focal: focal length, in widths of the image.
    height: of the camera above the floor.
    floor_radius: the floor ends so far from the camera.
    wall_normals: float32 [w, 3], horizontal, toward the camera.
    wall_distances: float32 [w], from the camera.
    wall_height: above the floor, above `height` too: so nothing but the sky is
      behind a wall.
    solids: int32 [k], SPHERE, BOX or CYLINDER of `scene_geometry`.
    centres: float32 [k, 3].
    half_sizes: float32 [k, 3].
    angles: float32 [k], turns about the vertical.
    light: float32 [3], where the light is; inside of all walls.
    light_colour: float32 [3].
    ambient: float32 [3], light from everywhere.
    sky: float32 [2, 3], at the horizon and at the zenith.
    materials: of 1 + w + k surfaces.
  """

  camera: np.ndarray
  focal: float
  height: float
  floor_radius: float
  wall_normals: np.ndarray
  wall_distances: np.ndarray
  wall_height: float
  solids: np.ndarray
  centres: np.ndarray
  half_sizes: np.ndarray
  angles: np.ndarray
  light: np.ndarray
  light_colour: np.ndarray
  ambient: np.ndarray
  sky: np.ndarray
  materials: Materials


class _Draws:
  """Uniform numbers, one after the other.

  Only `Generator.random` is used: numpy may change its other distributions.
  """

  def __init__(self, seed: int, index: int):
    random = np.random.Generator(np.random.Philox(key=[seed, index]))
    self._next = iter(random.random(2048).tolist()).__next__

  def between(self, low: float, high: float) -> float:
    return low + (high - low) * self._next()

  def below(self, count: int) -> int:
    return int(self._next() * count)

  def vector(self, low: float, high: float) -> list[float]:
    return [self.between(low, high) for _ in range(3)]


def check_key(seed: int, index: int) -> None:
  """Raises InputError unless seed and index are in range."""
  if not 0 <= seed <= MAX_SEED:
    raise errors.InputError(f"seed: {seed} is not in 0 to {MAX_SEED}")
  if not 0 <= index < MAX_INDEX:
    raise errors.InputError(f"index: {index} is not in 0 to {MAX_INDEX - 1}")


def sample(seed: int, index: int) -> Scene:
  """Draws the scene of a seed and an index.

  Args:
    seed: 0 to 2**32 - 1.
    index: 0 to 2**40 - 1; any, in any order.

  Raises:
    InputError: an argument out of range.
  """
  check_key(seed, index)
  draws = _Draws(seed, index)
  height = draws.between(1.0, 2.4)
  focal = draws.between(0.75, 1.25)
  pitch = draws.between(0.05, 0.42)
  roll = draws.between(-0.06, 0.06)
  walls, distances = _walls(draws)
  solids, centres, half_sizes, angles = _solids(
    draws, height, focal, walls, distances
  )
  light = _light(draws, walls, distances, height)
  warmth = draws.between(-0.12, 0.12)
  strength = draws.between(0.75, 1.15)
  ambient = draws.between(0.16, 0.38)
  horizon = draws.between(0.45, 0.95)
  blue = draws.between(0.0, 0.4)
  surfaces = 1 + len(walls) + len(solids)
  array = lambda values: np.array(values, np.float32)
  return Scene(
    camera=_camera(pitch, roll),
    focal=focal,
    height=height,
    floor_radius=30.0,
    wall_normals=array(walls).reshape(-1, 3),
    wall_distances=array(distances),
    wall_height=height + draws.between(0.4, 2.5),
    solids=np.array(solids, np.int32),
    centres=array(centres).reshape(-1, 3),
    half_sizes=array(half_sizes).reshape(-1, 3),
    angles=array(angles),
    light=array(light),
    light_colour=array([1 + warmth, 1, 1 - warmth]) * np.float32(strength),
    ambient=array([1 - warmth / 2, 1, 1 + warmth / 2]) * np.float32(ambient),
    sky=array(
      [
        [horizon, horizon, horizon + 0.2 * blue],
        [horizon * (1 - blue), horizon * (1 - 0.6 * blue), horizon],
      ]
    ),
    materials=_materials(draws, surfaces),
  )


def _camera(pitch, roll):
  ahead = np.array([0, math.cos(pitch), -math.sin(pitch)])
  down = np.array([0, -math.sin(pitch), -math.cos(pitch)])
  right = np.array([1.0, 0, 0])
  c, s = math.cos(roll), math.sin(roll)
  axes = [c * right + s * down, c * down - s * right, ahead]
  return np.array(axes, np.float32)


def _walls(draws):
  """None, a back wall, a corner, or three sides of a room."""
  count = draws.below(4)
  turn = draws.between(-0.6, 0.6)
  reach = draws.between(4.5, 10), draws.between(2, 6), draws.between(2, 6)
  is_mirrored = draws.below(2)
  walls, distances = [], []
  for side, distance in zip((0.0, 1.0, -1.0), reach, strict=True):
    angle = turn + (-side if is_mirrored else side) * math.pi / 2
    walls.append([-math.sin(angle), -math.cos(angle), 0.0])
    distances.append(distance)
  return walls[:count], distances[:count]


def _solids(draws, height, focal, walls, distances):
  """3 to 8 solids on the floor or on each other; none overlaps another."""
  wanted = 3 + draws.below(6)
  spheres = draws.below(MAX_SPHERES + 1)
  others = (scene_geometry.BOX, scene_geometry.CYLINDER)
  kinds = [scene_geometry.SPHERE] * min(spheres, wanted)
  kinds += [others[draws.below(2)] for _ in range(wanted - len(kinds))]
  for i in range(wanted - 1, 0, -1):  # Else spheres would find room first.
    j = draws.below(i + 1)
    kinds[i], kinds[j] = kinds[j], kinds[i]
  solids, centres, half_sizes, angles, footprints = [], [], [], [], []
  tops = {}  # Solids with a free flat top: index -> its free radius.
  half_view = 0.5 / focal
  for kind in kinds:
    for attempt in range(24):
      # Smaller each time, so that it finds room at last.
      half = _half_size(draws, kind, 0.94**attempt)
      wide = math.hypot(half[0], half[1]) if kind == scene_geometry.BOX else 0
      wide = max(wide, half[0])
      below = draws.below(4 * len(tops)) if tops else len(tops)
      ahead = draws.between(2.0, 7.5)
      across = draws.between(-0.95, 0.95) * half_view * ahead
      angle = draws.between(0, math.pi)
      if below < len(tops):
        base = list(tops)[below]
        across, ahead = centres[base][:2]
        if wide > tops[base]:
          continue
        floor = centres[base][2] + half_sizes[base][2]
        tops.pop(base)
      else:
        floor = -height
        if any(
          math.dist((across, ahead), other[:2]) < wide + other[2] + 0.02
          for other in footprints
        ):
          continue
        if any(
          -(n[0] * across + n[1] * ahead) > d - wide - 0.02
          for n, d in zip(walls, distances, strict=True)
        ):
          continue
        footprints.append((across, ahead, wide))
      if kind == scene_geometry.BOX:
        tops[len(solids)] = min(half[0], half[1])
      elif kind == scene_geometry.CYLINDER:
        tops[len(solids)] = half[0]
      solids.append(kind)
      centres.append([across, ahead, floor + half[2]])
      half_sizes.append(half)
      angles.append(angle)
      break
  return solids, centres, half_sizes, angles


def _half_size(draws, kind, scale):
  """All three numbers are drawn whatever the kind is."""
  x, y, z = (scale * value for value in draws.vector(0.2, 0.75))
  if kind == scene_geometry.SPHERE:
    return [x, x, x]
  if kind == scene_geometry.CYLINDER:
    return [0.85 * x, 0.85 * x, 1.2 * z]
  return [x, y, z]


def _light(draws, walls, distances, height):
  """A lamp in a room, a sun far away elsewhere."""
  distance = draws.between(6, 10) if walls else draws.between(40, 60)
  azimuth = draws.between(-math.pi, math.pi)
  elevation = draws.between(0.6, 1.3)
  flat = distance * math.cos(elevation)
  x, y = flat * math.cos(azimuth), flat * math.sin(azimuth)
  z = distance * math.sin(elevation)
  if walls:
    y += 2  # Over what is looked at.
  for _ in range(2):  # Walls are at right angles: one round puts it inside.
    for normal, reach in zip(walls, distances, strict=True):
      outside = -(normal[0] * x + normal[1] * y) - (reach - 0.5)
      if outside > 0:
        x, y = x + outside * normal[0], y + outside * normal[1]
  return [x, y, z - height]


def _materials(draws, count) -> Materials:
  """Alike for all surfaces: a texture must not tell the class."""
  kinds, scales, phases, directions, colours, gloss = [], [], [], [], [], []
  for _ in range(count):
    kinds.append(draws.below(len(scene_textures.KINDS)))
    scales.append(math.exp(draws.between(math.log(1.2), math.log(6))))
    phases.append(draws.vector(0, 16))
    direction = np.array(draws.vector(-1, 1)) + 1e-3
    directions.append(direction / np.linalg.norm(direction))
    grey, spread = draws.between(0.08, 0.7), draws.between(0.05, 0.5)
    first = [grey + spread * draws.between(-1, 1) for _ in range(3)]
    other = grey + (0.45 if grey < 0.4 else -0.45) * draws.between(0.4, 1)
    second = [other + 0.6 * spread * draws.between(-1, 1) for _ in range(3)]
    colours.append([first, second])
    gloss.append(max(0.0, draws.between(-0.4, 0.5)))
  array = lambda values: np.array(values, np.float32)
  return Materials(
    kinds=np.array(kinds, np.int32),
    scales=array(scales),
    phases=array(phases),
    directions=array(directions),
    colours=np.clip(array(colours), 0.02, 0.95),
    gloss=array(gloss),
  )
