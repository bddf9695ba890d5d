"""Every layout gives its examples; what does not fit together is named."""

import pathlib

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import decoding, image_examples, image_folders
from tests.data.pictures import picture_files

DATA = pathlib.Path(__file__).parents[4] / "shared/data"
CAMVID = DATA / "camvid_160x120/camvid_160x120.tar"
TUM = DATA / "tum_fr1_rpy_160x120/tum_fr1_rpy_160x120.tar"
TINY_IMAGENET = DATA / "tiny_imagenet_a/tiny_imagenet_a.tar"
NAMES = ("sky", "tree", "road")


def multimodal(split="train", count=3):
  files = {"notes.txt": b""}
  for i in range(count):
    stem = f"n{i % 2}/{i}"
    files[f"{split}/rgb/{stem}.jpg"] = picture_files.rgb(i)
    files[f"{split}/depth/{stem}.png"] = picture_files.depth(i)
    files[f"{split}/semseg/{stem}.png"] = picture_files.semseg(i)
    normals = picture_files.rgb(i, kind="PNG")
    files[f"{split}/normals/{stem}.png"] = normals
  return files


@pytest.mark.parametrize("is_tar", [False, True])
def test_multimodal_folder(tmp_path, is_tar):
  if is_tar:
    path = picture_files.write_tar(tmp_path / "a.tar", multimodal())
  else:
    path = picture_files.write_folder(tmp_path / "a", multimodal())
  names = ("rgb", "depth", "normals", "semseg")
  examples = image_folders.multimodal_folder(
    path, "train", modalities=names, class_names=NAMES
  )
  assert examples.modalities == names
  assert examples.class_names == NAMES
  assert len(examples) == 3
  # Sorted by path: n0/0, n0/2, n1/1.
  for example, i in zip(image_examples.read_all(examples), (0, 2, 1)):
    assert tuple(example) == names
    rgb = decoding.decode_rgb(picture_files.rgb(i))
    assert (example["rgb"] == rgb).all()
    depth = decoding.decode_depth(picture_files.depth(i), 65_536)
    assert (example["depth"] == depth).all()
  alone = image_folders.multimodal_folder(path, "train", modalities=("depth",))
  assert alone.class_names == ()
  assert tuple(alone.read(0)) == ("depth",)


def test_stems_that_differ_are_listed(tmp_path):
  files = multimodal(count=15)
  for i in range(12):
    files.pop(f"train/depth/n{i % 2}/{i}.png")
  files["train/semseg/more.png"] = picture_files.semseg()
  path = picture_files.write_folder(tmp_path, files)
  with pytest.raises(errors.InputError) as caught:
    image_folders.multimodal_folder(path, "train", class_names=NAMES)
  message = str(caught.value)
  assert "train/rgb lacks 1: more;" in message
  first = "more, n0/0, n0/10, n0/2, n0/4, n0/6, n0/8, n1/1, n1/11, n1/3"
  assert f"train/depth lacks 13: {first} and 3 more" in message
  assert "train/semseg lacks" not in message


def test_arguments_of_a_multimodal_folder_name_themselves(tmp_path):
  path = picture_files.write_folder(tmp_path, multimodal())
  read = lambda **arguments: image_folders.multimodal_folder(
    path, "train", **{"class_names": NAMES, **arguments}
  )
  for arguments, text in [
    ({"modalities": ()}, r"modalities: \(\) are not"),
    ({"modalities": ("rgb", "sound")}, "sound"),
    ({"modalities": ("rgb", "rgb")}, "different"),
    ({"depth_scale": 0.0}, "depth_scale: 0.0 is not above 0"),
    ({"depth_bits": 12}, "depth_bits: 12 is not 8 or 16"),
    ({"class_names": ()}, "class_names: none are given"),
  ]:
    with pytest.raises(errors.InputError, match=text):
      read(**arguments)
  with pytest.raises(errors.InputError, match=r"no picture is in val/rgb/"):
    image_folders.multimodal_folder(path, "val", class_names=NAMES)
  (tmp_path / "train/rgb/n0/0.png").write_bytes(picture_files.rgb(kind="PNG"))
  with pytest.raises(errors.InputError, match="n0/0.png differ in their ends"):
    read()


def test_bad_pictures_are_skipped_and_named_or_fatal(tmp_path):
  files = multimodal(count=4)
  files["train/rgb/n0/0.jpg"] = b"no picture"
  files["train/depth/n1/1.png"] = picture_files.depth(shape=(9, 9))
  files["train/semseg/n0/2.png"] = picture_files.semseg(classes=200)
  path = picture_files.write_folder(tmp_path, files)
  examples = image_folders.multimodal_folder(path, "train", class_names=NAMES)
  skipped = []
  left = list(image_examples.read_all(examples, if_bad="skip", skipped=skipped))
  assert len(left) == 1
  good = decoding.decode_rgb(picture_files.rgb(3))
  assert (left[0]["rgb"] == good).all()
  first, second, third = skipped
  assert "train/rgb/n0/0.jpg is no picture" in first
  assert "train/semseg/n0/2.png has the label" in second
  assert "train/rgb/n1/1.jpg, train/depth/n1/1.png" in third
  assert "differ in height and width" in third
  assert all(message.startswith(path) for message in skipped)
  with pytest.raises(decoding.PictureError, match=r"0\.jpg is no picture"):
    list(image_examples.read_all(examples))
  with pytest.raises(errors.InputError, match="if_bad: 'warn' is not one of"):
    list(image_examples.read_all(examples, if_bad="warn"))


def test_image_folder(tmp_path):
  files = {
    f"val/{name}/sub/{i}.{end}": picture_files.rgb(i)
    for name in ("cat", "ant")
    for i, end in enumerate(("jpg", "JPEG", "txt"))
  }
  path = picture_files.write_folder(tmp_path, files)
  examples = image_folders.image_folder(path, "val")
  assert examples.label_names == ("ant", "cat")
  read = list(image_examples.read_all(examples))
  assert [example["label"] for example in read] == [0, 0, 1, 1]
  assert read[0]["label"].dtype == np.int32
  names = ("bee", "cat", "ant")
  examples = image_folders.image_folder(path, "val", label_names=names)
  assert examples.labels == [2, 2, 1, 1]
  with pytest.raises(
    errors.InputError, match="1 folders are no known class: c"
  ):
    image_folders.image_folder(path, "val", label_names=("ant", "bee"))
  (tmp_path / "val/x.png").write_bytes(b"")
  with pytest.raises(errors.InputError, match=r"1 pictures are in no .*val/x"):
    image_folders.image_folder(path, "val")
  with pytest.raises(errors.InputError, match=r"no picture is in train/ \(of"):
    image_folders.image_folder(path, "train")


def test_a_fingerprint_is_one_of_names_sizes_and_labels(tmp_path):
  picture_files.write_folder(tmp_path, {"a/x.jpg": b"12", "b/y.jpg": b"3"})
  read = lambda *names: image_folders.image_folder(
    str(tmp_path), label_names=names
  ).fingerprint()
  first = read("a", "b")
  assert read("a", "b") == first
  seen = {first, read("b", "a")}
  (tmp_path / "b/y.jpg").write_bytes(b"34")
  seen.add(read("a", "b"))
  (tmp_path / "b/y.jpg").rename(tmp_path / "b/z.jpg")
  seen.add(read("a", "b"))
  assert len(seen) == 4


def test_imagenet_s(tmp_path):
  labels = np.zeros((12, 16, 3), np.uint8)
  labels[0, 0], labels[1, 1] = (2, 0, 0), (1000 % 256, 1000 // 256, 0)
  mask = picture_files.encoded(labels)
  files = {}
  for name in ("n01", "n02"):
    files[f"train/{name}/a.JPEG"] = picture_files.rgb()
    files[f"validation/{name}/v.JPEG"] = picture_files.rgb()
    files[f"validation-segmentation/{name}/v.png"] = mask
  path = picture_files.write_folder(tmp_path, files)
  examples = image_folders.imagenet_s(path, "validation")
  assert examples.class_names == ("other", "n01", "n02")
  assert examples.label_names == ("n01", "n02")
  example = examples.read(1)
  assert example["label"] == 1
  assert example["semseg"][0, 0] == 2
  assert example["semseg"][1, 1] == decoding.UNLABELLED
  photos = image_folders.imagenet_s(path, "train")
  assert photos.modalities == ("rgb",)
  assert set(photos.read(0)) == {"rgb", "label"}
  (tmp_path / "validation-segmentation/n02/v.png").unlink()
  with pytest.raises(errors.InputError, match="segmentation lacks 1: n02/v"):
    image_folders.imagenet_s(path, "validation")


@pytest.mark.skipif(not CAMVID.exists(), reason=f"no {CAMVID}")
def test_camvid_as_it_is():
  for split, count in (("train", 184), ("val", 51), ("test", 117)):
    examples = image_folders.camvid(str(CAMVID), split)
    assert len(examples) == count
    assert examples.modalities == ("rgb", "semseg")
  pixels = np.zeros(12)
  for split in ("train", "val", "test"):
    for example in image_examples.read_all(
      image_folders.camvid(str(CAMVID), split)
    ):
      assert example["rgb"].shape == (120, 160, 3)
      pixels += np.bincount(example["semseg"].ravel() + 1, minlength=12)
  share = dict(zip(("none", *image_folders.CAMVID_CLASSES), pixels))
  total = pixels.sum()
  # About what its maker counted, before half of the frames were dropped.
  assert share["none"] / total == pytest.approx(0.0358, abs=0.002)
  assert share["road"] / total == pytest.approx(0.2933, abs=0.005)


@pytest.mark.skipif(not TUM.exists(), reason=f"no {TUM}")
def test_tum_as_it_is():
  depths = []
  for split, count in (("train", 130), ("val", 44)):
    examples = image_folders.tum_rgbd(str(TUM), split)
    assert len(examples) == count
    depths += [e["depth"] for e in image_examples.read_all(examples)]
  depths = np.stack(depths)
  # Of the raw values, with another program.
  assert np.isnan(depths).mean() == pytest.approx(0.2311268, abs=1e-6)
  assert np.nanmedian(depths) == pytest.approx(1.0966, abs=1e-4)
  assert np.nanmax(depths) == pytest.approx(9.8086, abs=1e-4)


@pytest.mark.skipif(not TINY_IMAGENET.exists(), reason=f"no {TINY_IMAGENET}")
def test_tiny_imagenet_as_it_is():
  train = image_folders.image_folder(str(TINY_IMAGENET), "train")
  val = image_folders.image_folder(
    str(TINY_IMAGENET), "val", label_names=train.label_names
  )
  assert (len(train), len(val), len(train.label_names)) == (2000, 500, 20)
  assert np.bincount(train.labels).tolist() == [100] * 20
  assert train.read(1999)["rgb"].shape == (64, 64, 3)
