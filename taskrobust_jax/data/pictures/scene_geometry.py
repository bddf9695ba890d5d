"""Rays against spheres, boxes and cylinders; vectorised, exact, float32.

A solid stands in a frame of its own: at the origin, axes along its edges. A ray
is origin + t * direction; the direction need not be a unit vector. Each solid
is convex and an intersection of simpler ones, so the ray is inside it between
the last entry and the first exit of these.
"""

import math

import numpy as np

SPHERE, BOX, CYLINDER = range(3)
# Stands for a component of a direction that is 0: 1 / it is still finite.
_TINY = np.float32(1e-18)

Vectors = tuple[np.ndarray, np.ndarray, np.ndarray]


def first_hit(
  solid: int,
  half_size: np.ndarray,
  origins: Vectors,
  directions: Vectors,
) -> np.ndarray:
  """Where rays from outside enter a solid.

  Args:
    solid: SPHERE, BOX or CYLINDER (upright).
    half_size: float32 [3], half the extent along x, y, z. A sphere's are equal,
      of a cylinder's the first two.
    origins: x, y, z in the solid's frame, float32 of any shapes that broadcast.
    directions: the same.

  Returns:
    t, float32, above 0; infinite where the ray misses.
  """
  if solid == BOX:
    near, far = _slab(half_size[0], origins[0], directions[0])
    for i in (1, 2):
      near_i, far_i = _slab(half_size[i], origins[i], directions[i])
      near, far = np.maximum(near, near_i), np.minimum(far, far_i)
  elif solid == CYLINDER:
    near, far = _round(half_size[0], origins[:2], directions[:2])
    near_z, far_z = _slab(half_size[2], origins[2], directions[2])
    near, far = np.maximum(near, near_z), np.minimum(far, far_z)
  else:
    near, far = _round(half_size[0], origins, directions)
  return np.where((near <= far) & (near > 0), near, np.float32(np.inf))


def outward_normals(
  solid: int, half_size: np.ndarray, points: Vectors
) -> np.ndarray:
  """Unit normals at points on a solid's surface.

  Args:
    solid: as for `first_hit`.
    half_size: as for `first_hit`.
    points: x, y, z in the solid's frame, float32 [n] each.

  Returns:
    float32 [3, n] in the solid's frame. On an edge, that of one of its faces.
  """
  points = np.stack(points)
  if solid == SPHERE:
    return points / np.sqrt(np.einsum("in,in->n", points, points))
  normals = np.zeros_like(points)
  place = np.arange(points.shape[1])
  if solid == BOX:
    # The face a point lies on is the one that it is farthest out of.
    axis = np.argmax(np.abs(points) - half_size[:, None], axis=0)
    normals[axis, place] = np.sign(points[axis, place])
    return normals
  radius = np.sqrt(points[0] ** 2 + points[1] ** 2)
  is_cap = np.abs(points[2]) - half_size[2] > radius - half_size[0]
  side = ~is_cap
  normals[2, is_cap] = np.sign(points[2, is_cap])
  normals[:2, side] = points[:2, side] / radius[side]
  return normals


def bounding_radius(solid: int, half_size: np.ndarray) -> float:
  """The radius of the smallest sphere around a solid's centre that holds it."""
  x, y, z = (float(value) for value in half_size)
  if solid == SPHERE:
    return x
  return math.hypot(x, z) if solid == CYLINDER else math.hypot(x, y, z)


def pixels_of_sphere(
  centre: np.ndarray, radius: float, focal: float, size: int
) -> tuple[slice, slice] | None:
  """The smallest rectangle of pixels whose rays may meet a sphere.

  Args:
    centre: [3] in camera coordinates (x right, y down, z ahead).
    radius: of the sphere.
    focal: focal length in pixels.
    size: height and width of the image in pixels.

  Returns:
    Rows and columns, or None where no pixel sees it.
  """
  x, y, z = (float(value) for value in centre)
  if z + radius <= 0:
    return None
  slices = []
  for side in (y, x):
    distance = math.hypot(side, z)
    low, high = -math.inf, math.inf
    if distance > radius:
      middle, half = math.atan2(side, z), math.asin(radius / distance)
      if middle - half > -math.pi / 2:
        low = math.tan(min(middle - half, math.pi / 2))
      if middle + half < math.pi / 2:
        high = math.tan(max(middle + half, -math.pi / 2))
    # Pixel i looks through (i + 0.5 - size / 2) / focal. One more on each side
    # leaves room for rounding.
    low, high = (v * focal + size / 2 for v in (low, high))
    first = math.floor(min(max(low - 1, 0), size))
    last = math.ceil(min(max(high + 1, 0), size))
    if first >= last:
      return None
    slices.append(slice(first, last))
  return slices[0], slices[1]


def _slab(half, origins, directions):
  """Where rays are between -half and half along one axis: t from, t to."""
  inverse = 1 / np.where(directions == 0, _TINY, directions)
  middle, reach = -origins * inverse, half * np.abs(inverse)
  return middle - reach, middle + reach


def _round(radius, origins, directions):
  """Where rays are within a radius of the origin, of two or three axes."""
  norm = sum(d * d for d in directions)
  norm = np.maximum(norm, _TINY)
  # From the point nearest to the origin: b^2 - 4ac would lose half the digits.
  middle = -sum(o * d for o, d in zip(origins, directions, strict=True)) / norm
  near = [o + middle * d for o, d in zip(origins, directions, strict=True)]
  square = radius * radius - sum(x * x for x in near)
  reach = np.sqrt(np.maximum(square, 0) / norm)
  reach = np.where(square < 0, np.float32(np.nan), reach)
  return middle - reach, middle + reach
