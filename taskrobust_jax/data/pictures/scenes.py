"""Procedural 3-D scenes, ray-cast: pictures, depth, normals and classes.

A scene has a floor that ends in the distance, up to three walls, solids in the
light of a lamp or a sun, shadows, and textures that have nothing to do with the
class of what they are on. One ray goes through the middle of each pixel, and
all that is known of the pixel is what that ray meets: so all modalities agree.

Camera coordinates: x right, y down, z ahead along the optical axis.
"""

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import (
  scene_geometry,
  scene_sampling,
  scene_textures,
)

# To be raised when the same arguments begin to give other pixels.
VERSION = 1
CLASS_NAMES = ("background", "floor", "wall", "sphere", "box", "cylinder")
BACKGROUND, FLOOR, WALL, _FIRST_SOLID = 0, 1, 2, 3
LABEL_NAMES = ("no sphere", "1 sphere", "2 spheres", "3 spheres")
# A sphere counts for the label when it has this share of the pixels.
_VISIBLE = 1 / 512
_MIN_SIZE, _MAX_SIZE = 8, 2048


def check_size(size: int) -> None:
  """Raises InputError unless pictures can have so many pixels a side."""
  if not _MIN_SIZE <= size <= _MAX_SIZE:
    raise errors.InputError(
      f"size: {size} is not in {_MIN_SIZE} to {_MAX_SIZE}"
    )


def make(seed: int, index: int, size: int = 96) -> dict[str, np.ndarray]:
  """Draws and renders a scene.

  Equal arguments give equal bytes in all processes of a machine; on another
  kind of processor the last bit of a float may differ.

  Args:
    seed: 0 to 2**32 - 1.
    index: 0 to 2**40 - 1.
    size: height H and width W in pixels, 8 to 2,048.

  Returns:
    What `render` returns.

  Raises:
    InputError: an argument out of range.
  """
  check_size(size)
  return render(scene_sampling.sample(seed, index), size)


def render(scene: scene_sampling.Scene, size: int) -> dict[str, np.ndarray]:
  """Renders a scene.

  Args:
    scene: as sampled, or made by hand.
    size: height H and width W in pixels.

  Returns:
    rgb: uint8 [H, W, 3], sRGB.
    depth: float32 [H, W], metres along the optical axis (not along the ray);
      NaN where the ray meets nothing.
    normals: float32 [H, W, 3], unit vectors in camera coordinates that point
      toward the camera's side of the surface; zeros where there is nothing.
    semseg: int32 [H, W], index in `CLASS_NAMES`.
    label: int32 scalar, how many spheres have 1/512 of the pixels or more, 3
      for more than 3: see `LABEL_NAMES`.
  """
  x, y, z = _rays(scene, size)
  depth, surface = _cast(scene, (x, y, z), size)
  rays = np.stack([x, y, z]).reshape(3, -1)
  depth, surface = depth.ravel(), surface.ravel()
  (seen,) = np.nonzero(surface)
  of = surface[seen] - 1
  points = rays.take(seen, axis=1) * depth[seen]
  normals = _normals(scene, points, of)
  rgb = np.empty((3, size * size), np.float32)
  rgb[:, seen] = _shade(scene, points, normals, of, depth[seen] / size)
  (sky,) = np.nonzero(surface == 0)
  if sky.size:
    ray = rays[:, sky]
    up = ray[2] / np.sqrt(np.einsum("in,in->n", ray, ray))
    up = np.clip(up * 1.5, 0, 1)
    rgb[:, sky] = scene.sky[0][:, None] * (1 - up) + scene.sky[1][:, None] * up

  walls = len(scene.wall_distances)
  classes = np.concatenate(
    [[BACKGROUND, FLOOR], [WALL] * walls, scene.solids + _FIRST_SOLID]
  ).astype(np.int32)
  pixels = np.bincount(surface, minlength=len(classes))
  is_sphere = classes == _FIRST_SOLID + scene_geometry.SPHERE
  spheres = np.sum(is_sphere & (pixels >= _VISIBLE * size * size))
  in_camera = np.zeros((size * size, 3), np.float32)
  in_camera[seen] = (scene.camera @ normals).T
  return {
    "rgb": _encode(rgb).T.reshape(size, size, 3),
    "depth": np.where(surface > 0, depth, np.float32(np.nan)).reshape(
      size, size
    ),
    "normals": in_camera.reshape(size, size, 3),
    "semseg": classes[surface].reshape(size, size),
    "label": np.int32(min(spheres, scene_sampling.MAX_SPHERES)),
  }


def _rays(scene, size):
  """World directions [H, W] of the pixels' rays, 1 long on the optical axis.

  So t is the depth.
  """
  middle = np.arange(size, dtype=np.float32) + np.float32(0.5 - size / 2)
  middle /= np.float32(scene.focal * size)
  right, down, ahead = scene.camera
  return tuple(
    right[i] * middle[None, :] + (down[i] * middle + ahead[i])[:, None]
    for i in range(3)
  )


def _cast(scene, rays, size):
  """The nearest surface: depth [H, W] and 1 + its index (0 for none)."""
  x, y, z = rays
  tiny = np.float32(1e-12)
  far = np.float32(np.inf)
  t = np.float32(-scene.height) / np.where(z == 0, tiny, z)
  is_floor = (t > 0) & (t * t * (x * x + y * y) < scene.floor_radius**2)
  depth = np.where(is_floor, t, far)
  surface = is_floor.astype(np.int32)
  top = np.float32(scene.wall_height - scene.height)
  walls = zip(scene.wall_normals, scene.wall_distances, strict=True)
  for i, (normal, distance) in enumerate(walls):
    toward = -(normal[0] * x + normal[1] * y)
    t = distance / np.where(toward == 0, tiny, toward)
    closer = (t > 0) & (t < depth) & (t * z < top)
    closer &= t * z > np.float32(-scene.height)
    np.copyto(depth, t, where=closer)
    surface[closer] = 2 + i
  first = 2 + len(scene.wall_distances)
  for i, solid in enumerate(scene.solids):
    half = scene.half_sizes[i]
    window = scene_geometry.pixels_of_sphere(
      scene.camera @ scene.centres[i],
      scene_geometry.bounding_radius(solid, half),
      scene.focal * size,
      size,
    )
    if window is None:
      continue
    origin = _turned(-scene.centres[i], scene.angles[i])
    local = _turned((x[window], y[window], z[window]), scene.angles[i])
    t = scene_geometry.first_hit(solid, half, origin, local)
    closer = t < depth[window]
    np.copyto(depth[window], t, where=closer)
    surface[window][closer] = first + i
  return depth, surface


def _turned(vectors, angle):
  """World directions in the frame of a solid turned by an angle."""
  x, y, z = vectors
  c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
  return c * x + s * y, c * y - s * x, z


def _normals(scene, points, of):
  """World normals [3, n] of the surfaces `of` [n] at points [3, n]."""
  walls = len(scene.wall_distances)
  flat = np.concatenate(
    [[[0, 0, 1]], scene.wall_normals, np.zeros((len(scene.solids), 3))]
  ).astype(np.float32)
  normals = _each(flat, of)
  for i, solid in enumerate(scene.solids):
    (mine,) = np.nonzero(of == 1 + walls + i)
    if not mine.size:
      continue
    local = _turned(
      points.take(mine, axis=1) - scene.centres[i][:, None], scene.angles[i]
    )
    found = scene_geometry.outward_normals(solid, scene.half_sizes[i], local)
    normals[:, mine] = _turned(found, -scene.angles[i])
  return normals


def _shade(scene, points, normals, of, pixel):
  """Linear colours [3, n]: diffuse, with highlights; shadows are sharp."""
  materials = scene.materials
  colours = _albedo(scene, points, normals, of, pixel)
  light = scene.light[:, None] - points
  light /= np.sqrt(np.einsum("in,in->n", light, light))
  facing = np.einsum("in,in->n", light, normals)
  facing[facing < 0] = 0
  (lit,) = np.nonzero(facing)
  facing[lit[_in_shadow(scene, points.take(lit, axis=1), of[lit])]] = 0
  # Blinn's half vector; the camera is the origin.
  half = light - points / np.sqrt(np.einsum("in,in->n", points, points))
  half /= np.sqrt(np.einsum("in,in->n", half, half)) + np.float32(1e-6)
  shine = np.einsum("in,in->n", half, normals)
  shine = np.maximum(shine, 0) ** 2
  shine = ((shine * shine) ** 2) ** 4
  shine *= materials.gloss.take(of) * (facing > 0)
  # The sky gives more light from above.
  ambient = scene.ambient[:, None] * (np.float32(0.8) + 0.2 * normals[2])
  colours *= ambient + scene.light_colour[:, None] * facing
  return colours + scene.light_colour[:, None] * shine


def _albedo(scene, points, normals, of, pixel):
  """The texture's colours [3, n]."""
  materials = scene.materials
  count = 1 + len(scene.wall_distances)
  frames = np.zeros((count + len(scene.solids), 5), np.float32)
  frames[:, 3] = 1
  frames[count:, :3] = scene.centres
  frames[count:, 3], frames[count:, 4] = (
    np.cos(scene.angles),
    np.sin(scene.angles),
  )
  frame = _each(frames, of)
  x, y, z = points - frame[:3]
  # Textures turn with their solids.
  cos, sin = frame[3:]
  local = np.stack([cos * x + sin * y, cos * y - sin * x, z])
  kinds, scales = materials.kinds.take(of), materials.scales.take(of)
  local *= scales
  local += _each(materials.phases, of)
  share = scene_textures.mixture(kinds, local, _each(materials.directions, of))
  # A pixel of half a cell or more sees the mean of both colours.
  slant = -np.einsum("in,in->n", points, normals)
  slant /= np.sqrt(np.einsum("in,in->n", points, points))
  cells = pixel / np.float32(scene.focal) * scales / np.maximum(slant, 0.05)
  contrast = np.clip(1.5 - 2 * cells, 0, 1)
  contrast[kinds == scene_textures.PLAIN] = 1
  share = np.float32(0.5) + (share - np.float32(0.5)) * contrast
  first, second = materials.colours[:, 0], materials.colours[:, 1]
  return _each(first, of) + _each(second - first, of) * share


def _each(table, of):
  """Of a table [s, c] of surfaces, the columns of each pixel: [c, n]."""
  return np.take(np.ascontiguousarray(table.T), of, axis=1)


def _in_shadow(scene, points, of):
  """Whether a solid is between the light and points [3, n]: bool [n].

  Walls throw none: light, camera and all that is seen are inside of them. A
  solid is convex: what it has in the light it does not shade itself.
  """
  shadow = np.zeros(points.shape[1], bool)
  first = 1 + len(scene.wall_distances)
  light = scene.light
  # As seen from the light: is a point within the cone of the bounding sphere?
  away = points - light[:, None]
  away /= np.sqrt(np.einsum("in,in->n", away, away))
  centres = scene.centres - light
  reach = np.sqrt((centres**2).sum(axis=1))
  radii = np.array(
    [
      scene_geometry.bounding_radius(solid, half)
      for solid, half in zip(scene.solids, scene.half_sizes, strict=True)
    ],
    np.float32,
  )
  sine = np.minimum(radii / reach, 1)
  cosine = np.sqrt(1 - sine * sine)
  inside = (centres / reach[:, None]) @ away > cosine[:, None] - 1e-5
  for i, solid in enumerate(scene.solids):
    (near,) = np.nonzero(inside[i] & (of != first + i) & ~shadow)
    if not near.size:
      continue
    start = points.take(near, axis=1)
    t = scene_geometry.first_hit(
      solid,
      scene.half_sizes[i],
      _turned(start - scene.centres[i][:, None], scene.angles[i]),
      _turned(light[:, None] - start, scene.angles[i]),
    )
    shadow[near] = t < 1
  return shadow


def _encode(linear):
  """Linear light to 8 bits of about sRGB."""
  return (np.sqrt(np.clip(linear, 0, 1)) * 255 + np.float32(0.5)).astype(
    np.uint8
  )
