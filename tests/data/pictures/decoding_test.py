"""What files hold comes out as it is said to; other content is refused."""

import io
import struct
import zlib

import numpy as np
from PIL import Image
import pytest

from taskrobust_jax.data.pictures import decoding
from tests.data.pictures.picture_files import encoded


def saved(image, kind="PNG", **arguments):
  stream = io.BytesIO()
  image.save(stream, kind, **arguments)
  return stream.getvalue()


def test_colours_come_back_and_others_are_converted():
  values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
  seen = decoding.decode_rgb(encoded(values))
  assert seen.dtype == np.uint8
  assert (seen == values).all()
  grey = decoding.decode_rgb(encoded(values[..., 0]))
  assert (grey == values[..., :1]).all()
  cmyk = saved(Image.new("CMYK", (4, 3), (0, 0, 0, 0)), "JPEG")
  assert (decoding.decode_rgb(cmyk) == 255).all()
  palette = Image.fromarray(values).quantize(4)
  assert decoding.decode_rgb(saved(palette)).shape == (5, 7, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16", "F"])
def test_other_channels_are_no_colours(mode):
  content = saved(Image.new(mode, (4, 4)), "TIFF")
  with pytest.raises(decoding.PictureError, match=f"has the channels {mode}"):
    decoding.decode_rgb(content)


def test_depth_is_in_metres_and_zero_is_missing():
  values = np.array([[0, 5000], [2500, 65535]], np.uint16)
  seen = decoding.decode_depth(encoded(values), 5000.0)
  assert seen.dtype == np.float32
  assert np.isnan(seen[0, 0])
  assert seen.ravel()[1:] == pytest.approx([1, 0.5, 13.107])
  values = np.array([[0, 255]], np.uint8)
  seen = decoding.decode_depth(encoded(values), 51.0, bits=8)
  assert seen[0, 1] == 5


def test_depth_of_another_width_is_refused():
  sixteen = encoded(np.ones((3, 3), np.uint16))
  eight = encoded(np.ones((3, 3), np.uint8))
  for content, bits, text in [
    (sixteen, 8, "has 16 bits a pixel; depth has 8 here"),
    (eight, 16, "has 8 bits a pixel; depth has 16 here"),
    (encoded(np.ones((3, 3, 3), np.uint8)), 8, "has the channels RGB; depth"),
    (encoded(np.zeros((3, 3), np.uint16)), 16, "has no depth at all"),
    (encoded(np.full((3, 3), 70_000, np.int32), "TIFF"), 16, "value 70000; 0 "),
    (encoded(np.full((3, 3), -1, np.int32), "TIFF"), 16, "has the value -1"),
  ]:
    with pytest.raises(decoding.PictureError, match=text):
      decoding.decode_depth(content, 1.0, bits)


def test_labels_and_what_is_no_label():
  values = np.array([[0, 2], [255, 1]], np.uint8)
  seen = decoding.decode_semseg(encoded(values), 3, 255)
  assert seen.dtype == np.int32
  assert seen.tolist() == [[0, 2], [-1, 1]]
  image = Image.fromarray(values)
  image.putpalette([1, 2, 3] * 256)
  seen = decoding.decode_semseg(saved(image), 3, 255)
  assert seen.tolist() == [[0, 2], [-1, 1]]
  for count, ignored, text in [
    (3, None, "has the label 255; 0 to 2 are legal$"),
    (2, 255, "has the label 2; 0 to 1 are legal, and 255 for none"),
  ]:
    with pytest.raises(decoding.PictureError, match=text):
      decoding.decode_semseg(encoded(values), count, ignored)
  with pytest.raises(decoding.PictureError, match="channels RGB; labels have"):
    decoding.decode_semseg(encoded(np.zeros((3, 3, 3), np.uint8)), 3, None)


def test_labels_of_two_bytes():
  values = np.zeros((2, 2, 3), np.uint8)
  values[0, 0] = 1000 % 256, 1000 // 256, 0
  values[1, 1] = 919 % 256, 919 // 256, 0
  seen = decoding.decode_two_byte_semseg(encoded(values), 920, 1000)
  assert seen.tolist() == [[-1, 0], [0, 919]]
  with pytest.raises(decoding.PictureError, match="has the label 919; 0 to 50"):
    decoding.decode_two_byte_semseg(encoded(values), 51, 1000)
  values[0, 1, 2] = 9
  with pytest.raises(decoding.PictureError, match="has 9 in blue"):
    decoding.decode_two_byte_semseg(encoded(values), 920, 1000)
  grey = encoded(values[..., 0])
  with pytest.raises(decoding.PictureError, match="has the channels L; labels"):
    decoding.decode_two_byte_semseg(grey, 920, 1000)


def test_normals_are_unit_vectors_or_missing():
  true = np.array([[[0.6, 0, -0.8], [0, 0, -1]], [[0, 1, 0], [0, 0, 0]]])
  values = np.round(127.5 * (1 + true)).astype(np.uint8)
  seen = decoding.decode_normals(encoded(values))
  assert seen.dtype == np.float32
  assert seen == pytest.approx(true, abs=0.01)
  length = np.linalg.norm(seen, axis=-1)
  assert length.ravel() == pytest.approx([1, 1, 1, 0], abs=1e-6)
  values[0, 0] = 0
  assert (decoding.decode_normals(encoded(values))[0, 0] == 0).all()
  with pytest.raises(decoding.PictureError, match="no normals at all"):
    decoding.decode_normals(encoded(np.zeros((3, 3, 3), np.uint8)))
  with pytest.raises(decoding.PictureError, match="channels L; normals are"):
    decoding.decode_normals(encoded(np.zeros((3, 3), np.uint8)))


def png_claiming(width, height):
  """A PNG of a few bytes whose header promises many pixels."""

  def chunk(kind, content):
    check = zlib.crc32(kind + content)
    size = struct.pack(">I", len(content))
    return size + kind + content + struct.pack(">I", check)

  header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
  content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))
  return b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b"")


def test_a_small_file_of_many_pixels_is_refused_before_it_is_decoded():
  for width, height, text in [
    (8_000, 8_001, "has 8001 x 8000 pixels; 1 to 64,000,000 are legal"),
    (10_000, 10_001, "is too large"),
    (65_000, 65_000, "is too large"),
  ]:
    with pytest.raises(decoding.PictureError, match=text):
      decoding.decode_rgb(png_claiming(width, height))


def test_what_is_no_picture_is_refused():
  whole = encoded(np.random.default_rng(0).integers(0, 9, (64, 64), np.uint8))
  for content, text in [
    (b"", "is no picture"),
    (b"<html>", "is no picture"),
    (whole[: len(whole) // 2], "does not decode"),
  ]:
    with pytest.raises(decoding.PictureError, match=text):
      decoding.decode_rgb(content)
