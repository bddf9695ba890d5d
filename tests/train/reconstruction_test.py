"""Reconstructions: the same patches for all, and the suite's own losses."""

import dataclasses

import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.train.reconstruction import reconstruct
from taskrobust_jax.train.state import stream
from tests.tasks import masked_image_test
from tests.tasks.modalities_test import batch_of


def test_two_models_see_the_same_and_are_told_apart():
  params, suite = masked_image_test.made()
  rgb = {name: x + 1 for name, x in params["heads"]["rgb"].items()}
  other = {**params, "heads": {**params["heads"], "rgb": rgb}}
  batch = batch_of(2)
  batch["has_semseg"][1] = False
  found = reconstruct(
    [(suite, params), (suite, other)], batch, normalise_pixels=True
  )
  assert len(found) == 2
  first, second = found
  assert first.true.keys() == set(masked_image_test.ALL)
  assert "semseg" not in second.true.keys() | second.losses[0].keys()
  assert first.visible.keys() == {"rgb", "depth"}
  assert first.losses[0]["rgb"] != first.losses[1]["rgb"]
  assert first.losses[0]["depth"] == first.losses[1]["depth"]
  # Of three patches of eight that are shown, the others are white.
  shown = sum(
    (first.visible[name].reshape(2, 16, 2, 16, 3) < 1).any((1, 3, 4)).sum()
    for name in ("rgb", "depth")
  )
  assert shown == 3
  # The losses are those of the suite on this example.
  one = {name: value[:1] for name, value in batch.items()}
  losses, _ = masked_image_test.losses_of()(params, one, stream("evaluate", 0))
  np.testing.assert_allclose(
    [first.losses[0][name] for name in suite.task_names], losses, rtol=1e-4
  )


def test_models_that_are_shown_something_else_are_refused():
  params, suite = masked_image_test.made()
  other = dataclasses.replace(suite, num_visible=2)
  with pytest.raises(InputError, match="different num_visible: 3, 2"):
    reconstruct([(suite, params), (other, params)], batch_of(), True)
  with pytest.raises(InputError, match="not those of pictures"):
    reconstruct([(object(), params)], batch_of(), True)
