"""TFDS's own ImageNet and NYUv2, of made-up files; what is said without."""

import io
import json
import pickle
import sys
import time

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import (
  decoding,
  image_preparation,
  image_records,
  tfds_images,
)
from tests.data.pictures import picture_files


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
  return tmp_path


def build(folder, name, version, features, splits):
  """Writes a dataset as `tfds build` leaves it, without TensorFlow."""
  from array_record.python import array_record_module
  import tensorflow_datasets as tfds

  target = folder / name / version
  target.mkdir(parents=True)
  features = tfds.features.FeaturesDict(features)
  infos = []
  for split, examples in splits.items():
    template = tfds.core.ShardedFileTemplate(
      data_dir=str(target),
      dataset_name=name,
      split=split,
      filetype_suffix="array_record",
    )
    path = str(template.sharded_filepath(shard_index=0, num_shards=1))
    writer = array_record_module.ArrayRecordWriter(path, "group_size:1")
    for example in examples:
      writer.write(features.serialize_example(example))
    writer.close()
    infos.append(
      tfds.core.SplitInfo(
        name=split,
        shard_lengths=[len(examples)],
        num_bytes=1,
        filename_template=template,
      )
    )
  tfds.folder_dataset.write_metadata(
    data_dir=str(target), features=features, split_infos=infos, check_data=False
  )
  file = target / "dataset_info.json"
  info = json.loads(file.read_text())
  info |= {"name": name, "version": version, "fileFormat": "array_record"}
  file.write_text(json.dumps(info))
  return target


def imagenet(folder, contents, split="train"):
  import tensorflow_datasets as tfds

  features = {
    "image": tfds.features.Image(encoding_format="jpeg"),
    "label": tfds.features.ClassLabel(num_classes=1000),
    "file_name": tfds.features.Text(),
  }
  examples = [
    {"image": io.BytesIO(content), "label": 7 * i, "file_name": f"{i}.JPEG"}
    for i, content in enumerate(contents)
  ]
  return build(folder, "imagenet2012", "5.1.0", features, {split: examples})


def nyu(folder, depths):
  import tensorflow_datasets as tfds

  features = {
    "image": tfds.features.Image(shape=(480, 640, 3)),
    "depth": tfds.features.Tensor(shape=(480, 640), dtype=np.float16),
  }
  content = picture_files.rgb(shape=(480, 640), kind="PNG")
  splits = {
    "train": [{"image": io.BytesIO(content), "depth": d} for d in depths]
  }
  return build(folder, "nyu_depth_v2", "0.0.1", features, splits)


def test_imagenet(data_dir):
  contents = [picture_files.rgb(i, (20 + i, 30)) for i in range(3)]
  imagenet(data_dir, contents)
  source = tfds_images.TfdsImages("imagenet2012", "train")
  assert (len(source), source.modalities) == (3, ("rgb",))
  assert len(source.label_names) == 1000
  assert source.label_names[0] == "n01440764"
  assert source.fingerprint() == "imagenet2012/5.1.0 train"
  for i, content in enumerate(contents):
    example = source.read(i)
    assert set(example) == {"rgb", "label"}
    assert (example["rgb"] == decoding.decode_rgb(content)).all()
    assert example["label"] == 7 * i
  assert len(tfds_images.TfdsImages("imagenet2012", "train[:2]")) == 2
  again = pickle.loads(pickle.dumps(source))
  assert (again.read(2)["rgb"] == decoding.decode_rgb(contents[2])).all()
  assert "tensorflow" not in sys.modules


def test_a_dataset_of_imagenet_and_nyu(data_dir, tmp_path):
  depth = np.full((480, 640), 2.5, np.float16)
  depth[:240] = 0
  imagenet(data_dir, [picture_files.rgb()])
  nyu(data_dir, [depth])
  sources = [
    tfds_images.TfdsImages(name, "train")
    for name in ("imagenet2012", "nyu_depth_v2")
  ]
  assert sources[1].modalities == ("rgb", "depth")
  image_preparation.prepare(
    str(tmp_path / "out"), {"train": sources, "eval": sources}, shape=(24, 32)
  )
  dataset = image_records.open_dataset(str(tmp_path / "out"))
  block = dataset.split("train").read([0, 1])
  assert block["has_label"].tolist() == [True, False]
  assert block["has_depth"].tolist() == [False, True]
  assert np.isnan(block["depth"][1, :12]).all()
  assert (block["depth"][1, 12:] == 2.5).all()


def test_bad_examples_are_named(data_dir):
  imagenet(data_dir, [b"no picture"])
  nyu(data_dir, [np.zeros((480, 640), np.float16)])
  for name, text in [
    ("imagenet2012", "tfds:imagenet2012/train: example 0 is no picture"),
    ("nyu_depth_v2", r"example 0 has a depth of shape \(480, 640\) with 0 v"),
  ]:
    with pytest.raises(decoding.PictureError, match=text):
      tfds_images.TfdsImages(name, "train").read(0)


def test_what_is_not_there_names_folder_and_command(data_dir):
  begin = time.monotonic()
  for name, text in [
    ("imagenet2012", "tfds:imagenet2012 is not prepared: looked in"),
    ("no_such_data", "tfds:no_such_data is neither prepared nor known"),
  ]:
    with pytest.raises(errors.InputError) as caught:
      tfds_images.TfdsImages(name, "train")
    assert text in str(caught.value)
    assert str(data_dir) in str(caught.value)
    command = f"tfds build {name} --file_format=array_record"
    assert command in str(caught.value)
  assert time.monotonic() - begin < 60  # No network was waited for.


def test_other_files_splits_and_features_are_refused(data_dir):
  import tensorflow_datasets as tfds

  target = imagenet(data_dir, [picture_files.rgb()])
  with pytest.raises(errors.InputError, match=r"split: 'val' .*it has train"):
    tfds_images.TfdsImages("imagenet2012", "val")
  file = target / "dataset_info.json"
  file.write_text(file.read_text().replace("array_record", "tfrecord"))
  with pytest.raises(errors.InputError, match="holds tfrecord files"):
    tfds_images.TfdsImages("imagenet2012", "train")
  build(
    data_dir,
    "words",
    "1.0.0",
    {"text": tfds.features.Text()},
    {"train": [{"text": "a"}]},
  )
  with pytest.raises(errors.InputError, match=r"has no feature .*it has text"):
    tfds_images.TfdsImages("words", "train")


def test_damaged_files_are_an_input_error(data_dir):
  target = imagenet(data_dir, [picture_files.rgb(i) for i in range(30)])
  (file,) = target.glob("*array_record*")
  data = bytearray(file.read_bytes())
  data[1_000] ^= 255
  file.write_bytes(data)
  source = tfds_images.TfdsImages("imagenet2012", "train")
  with pytest.raises(errors.InputError, match="cannot be read|is no picture"):
    [source.read(index) for index in range(30)]
