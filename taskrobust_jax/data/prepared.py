"""Datasets that TensorFlow Datasets has prepared; nothing is ever downloaded.

Where there is none an error names the folder that was looked in and the
command.
"""

import os
from typing import Any

from taskrobust_jax import errors

PREFIX = "tfds:"


def builder(name: str) -> Any:
  """The builder of a prepared dataset.

  Args:
    name: a dataset, such as "imagenet2012" or "wiki40b/en:1.3.0".

  Raises:
    InputError: no such dataset, no data, or a package that it needs.
  """
  import tensorflow_datasets as tfds

  try:
    found = tfds.builder(name, try_gcs=False, data_dir=_folder())
  except ImportError as error:
    raise errors.InputError(
      f"source: tfds:{name} needs a package that is not installed ({error}); "
      "`pip install 'taskrobust_jax[data]'` brings TensorFlow"
    ) from error
  except Exception as error:  # DatasetNotFoundError, an unknown config, ...
    raise errors.InputError(
      f"source: tfds:{name} is neither prepared nor known to TFDS: looked in "
      f"{_folder()}: {first_line(error)}. {remedy(name)}"
    ) from error
  place = str(found.data_dir)
  if not os.path.isfile(os.path.join(place, "dataset_info.json")):
    raise errors.InputError(
      f"source: tfds:{name} is not prepared: looked in {place}. {remedy(name)}"
    )
  return found


def file_format(found: Any) -> str:
  """Of a builder's files; "array_record" ones are read by index."""
  return str(getattr(found.info.file_format, "value", "unknown"))


def remedy(name: str) -> str:
  """What to do where a dataset is not there, or of another format."""
  return (
    "Prepare it once, where there are a network and TensorFlow: `tfds build "
    f"{name} --file_format=array_record --data_dir={_folder()}`; another "
    "folder is given by the environment variable TFDS_DATA_DIR"
  )


def first_line(error: Exception) -> str:
  """Of an exception's message; its name if it has none."""
  return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _folder() -> str:
  # As TFDS does, which looks only when it is imported.
  folder = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
  return os.path.expanduser(folder)
