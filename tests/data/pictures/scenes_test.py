"""Scenes: closed forms, a slow ray caster, agreement of the modalities."""

import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import scene_geometry, scene_sampling, scenes
from tests.data.pictures import scene_cases

BOX, CYLINDER = scene_geometry.BOX, scene_geometry.CYLINDER
SPHERE = scene_geometry.SPHERE
# An odd size: the middle pixel looks along the optical axis.
SIZE = 65
MIDDLE = SIZE // 2


def classes(name):
  return scenes.CLASS_NAMES.index(name)


def test_a_sphere_straight_ahead():
  solid = (SPHERE, (0, 5, 0), (1, 1, 1), 0.3)
  example = scenes.render(scene_cases.scene([solid]), SIZE)
  seen = example["semseg"] == classes("sphere")
  assert example["depth"][MIDDLE, MIDDLE] == pytest.approx(4, rel=1e-6)
  normal = example["normals"][MIDDLE, MIDDLE]
  assert normal == pytest.approx([0, 0, -1], abs=1e-6)
  # Its outline is a circle of tan(asin(1 / 5)) focal lengths.
  offsets = (np.arange(SIZE) - MIDDLE) / SIZE
  distance = np.hypot(offsets[:, None], offsets)
  outline = math.tan(math.asin(1 / 5))
  assert (seen == (distance < outline)).all()
  # There the surface is seen edge on.
  rows, columns = np.nonzero(seen & (distance > 0.985 * outline))
  assert len(rows)
  for row, column in zip(rows, columns):
    ray = np.array([offsets[column], offsets[row], 1])
    slant = -example["normals"][row, column] @ ray / np.linalg.norm(ray)
    assert 0 < slant < 0.2
  assert np.isnan(example["depth"][~seen]).all()
  assert (example["normals"][~seen] == 0).all()


def test_depth_is_along_the_optical_axis_not_the_ray():
  solid = (BOX, (0, 4, 0), (3, 1, 3), 0)
  example = scenes.render(scene_cases.scene([solid]), SIZE)
  assert (example["semseg"] == classes("box")).all()
  assert example["depth"] == pytest.approx(np.full((SIZE, SIZE), 3), rel=1e-6)
  expected = np.broadcast_to([0, 0, -1], (SIZE, SIZE, 3))
  assert example["normals"] == pytest.approx(expected, abs=1e-6)


def test_a_turned_box_shows_two_faces():
  solid = (BOX, (0, 4, 0), (1, 1, 3), math.pi / 4)
  example = scenes.render(scene_cases.scene([solid]), SIZE)
  edge = 4 - math.sqrt(2)
  assert example["depth"][MIDDLE, MIDDLE] == pytest.approx(edge, rel=1e-6)
  root = math.sqrt(0.5)
  left, right = example["normals"][MIDDLE, [MIDDLE - 3, MIDDLE + 3]]
  assert left == pytest.approx([-root, 0, -root], abs=1e-6)
  assert right == pytest.approx([root, 0, -root], abs=1e-6)


def test_a_cylinder_shows_its_side_and_its_cap():
  camera = scene_cases.looking_down(math.pi / 6)
  ahead = camera[2].astype(float)
  # The middle of the upper cap lies on the optical axis.
  centre = 4 * ahead - [0, 0, 0.5]
  solid = (CYLINDER, centre, (0.6, 0.6, 0.5), 0)
  example = scenes.render(scene_cases.scene([solid], camera=camera), SIZE)
  assert example["depth"][MIDDLE, MIDDLE] == pytest.approx(4, rel=1e-5)
  up = camera @ np.array([0, 0, 1])
  assert example["normals"][MIDDLE, MIDDLE] == pytest.approx(up, abs=1e-6)
  rows = np.nonzero(example["semseg"][:, MIDDLE] == classes("cylinder"))[0]
  side = example["normals"][rows[-1], MIDDLE]
  assert side == pytest.approx(camera @ np.array([0, -1, 0]), abs=1e-6)


def test_the_floor_is_a_plane():
  camera = scene_cases.looking_down(0.4)
  scene = scene_cases.scene(camera=camera, height=1.5)
  example = scenes.render(scene, SIZE)
  offsets = (np.arange(SIZE) - MIDDLE) / SIZE
  down = math.sin(0.4) + math.cos(0.4) * offsets
  for row in range(SIZE):
    is_floor = example["semseg"][row] == classes("floor")
    assert is_floor.any() == (down[row] > 0.05)
    depth = example["depth"][row][is_floor]
    assert (abs(depth * down[row] - 1.5) < 1e-4).all()


@pytest.mark.parametrize("index", [3, 5, 2**40 - 1])
def test_every_pixel_is_that_of_a_slow_caster(index):
  size = 24
  scene = scene_sampling.sample(7, index)
  example = scenes.render(scene, size)
  wrong = 0
  for row in range(size):
    for column in range(size):
      ray = scene_cases.ray(scene, size, row, column)
      hit = scene_cases.nearest(scene, np.zeros(3), ray)
      depth, kind, normal = hit or (math.nan, 0, (0, 0, 0))
      if example["semseg"][row, column] != kind:
        wrong += 1  # Rounding, at an outline.
        continue
      seen = example["depth"][row, column]
      assert seen == pytest.approx(depth, rel=2e-4, nan_ok=True)
      expected = scene.camera @ np.array(normal)
      difference = abs(example["normals"][row, column] - expected).max()
      wrong += difference > 2e-3  # At an edge between two faces.
  assert wrong <= 2


@pytest.mark.parametrize("index", [5, 8])
def test_shadows_are_those_of_a_slow_caster(index):
  size = 24
  scene = scene_sampling.sample(11, index)
  # All that is left to see is the light.
  lit = scene._replace(ambient=scene.ambient * 0)
  materials = lit.materials
  materials = materials._replace(gloss=materials.gloss * 0)
  example = scenes.render(lit._replace(materials=materials), size)
  wrong = shaded = 0
  for row, column in np.argwhere(np.isfinite(example["depth"])):
    ray = scene_cases.ray(scene, size, row, column)
    hit = scene_cases.nearest(scene, np.zeros(3), ray)
    if hit is None:
      continue
    point = hit[0] * ray + 1e-4 * np.array(hit[2])
    toward = scene.light - point
    blocker = scene_cases.nearest(scene, point, toward)
    is_dark = blocker is not None and blocker[0] < 1
    is_dark |= toward @ np.array(hit[2]) <= 0
    shaded += is_dark
    wrong += is_dark != (example["rgb"][row, column] == 0).all()
  assert shaded > 20
  assert wrong <= 3


def test_a_shadow_has_the_size_that_geometry_says():
  # A sphere of radius 1 two metres under the light and two above the floor.
  solid = (SPHERE, (0, 3, 1), (1, 1, 1), 0)
  scene = scene_cases.scene(
    [solid], camera=scene_cases.looking_down(1.2), height=1, light=(0, 3, 3)
  )
  # tan(asin(1 / 2)) * 4 m below the light.
  radius = math.tan(math.asin(1 / 2)) * 4
  example = scenes.render(scene, 96)
  is_floor = example["semseg"] == classes("floor")
  rays = np.stack(
    [scene_cases.ray(scene, 96, *at) for at in np.argwhere(is_floor)]
  )
  points = rays * example["depth"][is_floor][:, None]
  distance = np.hypot(points[:, 0], points[:, 1] - 3)
  ambient = round(math.sqrt(0.5 * 0.2) * 255)
  is_dark = (example["rgb"][is_floor] == ambient).all(axis=1)
  clear = abs(distance - radius) > 0.01
  assert is_dark.sum() > 100
  assert (~is_dark).sum() > 100
  assert (is_dark == (distance < radius))[clear].all()


def test_a_solid_shades_others_and_not_what_it_has_in_the_light():
  wall = (BOX, (0, 9, 0), (4, 1, 4), 0)
  ball = (SPHERE, (0, 6, 0), (0.5, 0.5, 0.5), 0)
  # Sides get four fifths of the light that comes from everywhere.
  ambient = round(math.sqrt(0.5 * 0.2 * 0.8) * 255)
  for solids in ([wall, ball], [ball, wall]):
    # From the right, so that the shadow on the box is seen beside the ball.
    scene = scene_cases.scene(solids, light=(6, 2, 0))
    example = scenes.render(scene, 97)
    is_dark = (example["rgb"] == ambient).all(axis=-1)
    on_wall = is_dark & (example["semseg"] == classes("box"))
    # The line from the light through the ball meets the box at x = -3.
    column = 48 + round(-3 / 8 * 97)
    assert on_wall[48, column]
    assert 20 < on_wall.sum() < 800
    facing = example["normals"] @ np.array([1, 0, -0.5]) > 0.5
    assert not is_dark[facing & (example["semseg"] == classes("sphere"))].any()


def test_modalities_agree_on_random_scenes():
  for index in range(8):
    scene = scene_sampling.sample(3, index)
    example = scenes.render(scene, 96)
    depth, normals = example["depth"], example["normals"]
    seen = np.isfinite(depth)
    assert (seen == (example["semseg"] != classes("background"))).all()
    assert np.linalg.norm(normals[seen], axis=1) == pytest.approx(1, abs=1e-5)
    offsets = (np.arange(96) + 0.5 - 48) / (96 * scene.focal)
    rays = np.stack(
      [*np.broadcast_arrays(offsets, offsets[:, None]), np.ones((96, 96))], -1
    )
    slant = -(rays * normals).sum(-1)
    assert (slant[seen] > -1e-4).all()  # Toward the camera.
    # Where neighbours have the same normal, they lie in one plane.
    points = rays * np.where(seen, depth, 0)[..., None]
    for axis in (0, 1):
      step = np.diff(points, axis=axis)
      size = np.linalg.norm(step, axis=-1)
      first, second = np.split(
        np.stack([normals[:95], normals[1:]])
        if axis == 0
        else np.stack([normals[:, :95], normals[:, 1:]]),
        2,
      )
      same = (first * second).sum(-1)[0] > 0.99999
      near = same & (size < 0.3)
      assert near.sum() > 2000
      residual = abs((step * first[0]).sum(-1))
      # Two faces of different solids may be parallel.
      share = np.mean(residual[near] < 0.01 * size[near] + 2e-4)
      assert share > 0.98


def test_equal_arguments_give_equal_bytes_in_another_process():
  def digest(seed, index):
    example = scenes.make(seed, index, 32)
    content = b"".join(example[name].tobytes() for name in sorted(example))
    return hashlib.sha256(content).hexdigest()

  places = [(0, 0), (0, 1), (1, 0), (2**32 - 1, 2**40 - 1)]
  seen = [digest(*place) for place in places]
  assert len(set(seen)) == len(places)
  code = (
    "import hashlib\nfrom taskrobust_jax.data.pictures import scenes\n"
    f"for place in {places[::-1]}:\n"
    "  e = scenes.make(*place, 32)\n"
    "  content = b''.join(e[n].tobytes() for n in sorted(e))\n"
    "  print(hashlib.sha256(content).hexdigest())\n"
  )
  output = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True, check=True
  ).stdout
  assert output.split() == seen[::-1]


def test_no_class_and_no_label_is_rare():
  pixels = np.zeros(len(scenes.CLASS_NAMES))
  labels = np.zeros(len(scenes.LABEL_NAMES))
  for index in range(200):
    example = scenes.make(0, index, 32)
    assert example["rgb"].dtype == np.uint8
    assert example["semseg"].dtype == np.int32
    assert example["depth"].dtype == example["normals"].dtype == np.float32
    assert example["label"].dtype == np.int32
    assert 0 < np.isfinite(example["depth"]).sum()
    assert 20 < example["rgb"].mean() < 235
    pixels += np.bincount(example["semseg"].ravel(), minlength=len(pixels))
    labels[example["label"]] += 1
  assert (0.02 < pixels / pixels.sum()).all()
  assert (pixels / pixels.sum() < 0.6).all()
  assert (labels > 15).all()


def test_the_label_counts_spheres_that_are_seen():
  far = (SPHERE, (0, 9, 0), (1, 1, 1), 0)
  near = (SPHERE, (0, 4, 0), (1, 1, 1), 0)
  aside = [(SPHERE, (x, 9, 0), (1, 1, 1), 0) for x in (-3, -0.1, 2.6)]
  label = lambda solids: scenes.render(scene_cases.scene(solids), 64)["label"]
  assert label([]) == 0
  assert label([near, far]) == 1  # One hides the other.
  assert label(aside) == 3
  assert label([*aside, (SPHERE, (0, 9, 3), (1, 1, 1), 0)]) == 3


def test_arguments_out_of_range_name_themselves():
  for arguments, text in [
    ((-1, 0), "seed: -1 is not in 0 to 4294967295"),
    ((0, 2**40), "index: 1099511627776 is not in 0 to 1099511627775"),
    ((0, -1), "index: -1"),
    ((0, 0, 7), "size: 7 is not in 8 to 2048"),
  ]:
    with pytest.raises(errors.InputError, match=text):
      scenes.make(*arguments)


def test_scenes_change_only_with_the_version():
  examples = [scenes.make(0, index, 32) for index in range(8)]
  seen = [float(example["rgb"].mean()) for example in examples]
  depths = [float(np.nanmean(example["depth"])) for example in examples]
  assert scenes.VERSION == 1
  # Rounding may differ between processors.
  expected = [145.5, 138.9, 101.4, 146.4, 117.6, 180.4, 137.4, 122.1]
  assert seen == pytest.approx(expected, abs=0.4)
  expected = [3.59, 6.13, 4.1, 5.2, 4.56, 4.84, 4.63, 6.17]
  assert depths == pytest.approx(expected, abs=0.03)
