"""What linear maps find in the frozen encoder of a masked autoencoder.

Whole pictures are shown; maps (ridge) from the encoder's tokens to classes and
normals are fitted on training pictures and tested on held-out ones: that is
what the encoder knows, whatever its decoders do.
"""

from collections.abc import Callable

import numpy as np

PICTURES = 1024  # Of the training pictures, at most.
RIDGE = 1e-3
_ROWS_AT_ONCE = 128


def probe(encode, params, dataset) -> dict[str, float]:
  """What linear maps find in a frozen encoder.

  Args:
    encode: From `encoder`.
    params: Of the model.
    dataset: Has `split` and `info`, as `pattern_semantic.Kept`.

  Returns:
    On held-out pictures: `miou`, the mean over classes of intersection over
    union; `accuracy` of classes at stride 4; `degrees`, the mean angle between
    normals where there is a surface.
  """
  pictures = dataset.split("train")
  train = pictures.read(range(min(PICTURES, len(pictures))))
  test = dataset.split("eval").values
  num_classes = len(dataset.info.class_names)
  features, labels, normals = encode(params, train)
  mean, deviation = features.mean(0), features.std(0) + 1e-6

  def standard(features):
    return np.insert((features - mean) / deviation, 0, 1.0, axis=1)

  features = standard(features)
  one_hot = np.eye(num_classes)[labels].reshape(len(labels), -1)
  gram = features.T @ features / len(features)
  maps = np.linalg.solve(
    gram + RIDGE * np.eye(len(gram)),
    features.T @ np.append(one_hot, normals, 1) / len(features),
  )

  features, labels, normals = encode(params, test)
  found = standard(features) @ maps
  width = one_hot.shape[1]
  classes = found[:, :width].reshape(*labels.shape, num_classes).argmax(-1)
  confusion = np.zeros((num_classes, num_classes))
  np.add.at(confusion, (labels, classes), 1)
  both = np.diag(confusion)
  union = confusion.sum(0) + confusion.sum(1) - both
  true, found = (x.reshape(-1, 3) for x in (normals, found[:, width:]))
  is_surface = (true != 0).any(1)
  true, found = true[is_surface], found[is_surface]
  cosine = (true * found).sum(1) / np.linalg.norm(found, axis=1)
  return {
    "miou": float((both / union).mean()),
    "accuracy": float(both.sum() / confusion.sum()),
    "degrees": float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean()),
  }


def encoder(suite, num_classes: int) -> Callable[..., list[np.ndarray]]:
  """Makes (params, rows) -> tokens, classes, normals of whole pictures.

  Each is [B N, values]; the targets are the pre-training's own.
  """
  import jax
  import jax.numpy as jnp

  from taskrobust_jax.tasks import modalities

  kinds = modalities.make(num_classes)

  @jax.jit
  def run(params, batch):
    shape = len(batch["rgb"]), suite.num_patches
    every = jnp.broadcast_to(jnp.arange(suite.num_patches), shape)
    tokens = suite.apply(params, suite.show(batch), every, method="encode")
    targets = [
      kinds[name].target(batch, suite.patch).values
      for name in ("semseg", "normals")
    ]
    return [x.reshape(-1, x.shape[-1]) for x in (tokens[:, 1:], *targets)]

  def run_all(params, rows):
    parts = []
    for first in range(0, len(rows["rgb"]), _ROWS_AT_ONCE):
      last = first + _ROWS_AT_ONCE
      batch = {name: x[first:last] for name, x in rows.items()}
      parts.append(jax.device_get(run(params, batch)))
    return [np.concatenate(x) for x in zip(*parts, strict=True)]

  return run_all
