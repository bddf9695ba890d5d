"""What was saved comes back bit by bit, or an error says why not."""

import gc
import pathlib
import resource
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax import minimax
from taskrobust_jax.errors import InputError
from taskrobust_jax.storage.checkpoint import WORST_TASK_LOSS, Checkpointer
from taskrobust_jax.train import sharding
from taskrobust_jax.train.state import TrainState
from tests.train import toy

IDENTITY = {"task_names": ["a", "b"], "data_digest": "d", "config": {"x": 1}}


def state_of(step, size=64):
  noise = np.random.default_rng(step).normal(size=size)
  return TrainState(
    jnp.int32(step),
    jnp.uint32(0),
    {"kernel": jnp.asarray(noise, jnp.float32), "flag": jnp.array([True])},
    {"mean": jnp.asarray(noise, jnp.bfloat16)},
  )


def shapes_of(state):
  shapes = jax.eval_shape(lambda: state)
  one = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  return shapes, jax.tree.map(lambda _: one, shapes)


def restore(checkpoints, step=None, state=None):
  return checkpoints.restore(*shapes_of(state or state_of(0)), step)


@pytest.fixture
def opened(tmp_path):
  """Opens the checkpoints of one folder, again and again."""
  checkpoints = []

  def open_(identity=IDENTITY, **options):
    while checkpoints:
      checkpoints.pop().close()
    folder = tmp_path / "checkpoints"
    checkpoints.append(Checkpointer(folder, identity, **options))
    return checkpoints[-1]

  yield open_
  while checkpoints:
    checkpoints.pop().close()


def save(checkpoints, *steps_and_losses):
  for step, loss in steps_and_losses:
    values = {} if loss is None else {WORST_TASK_LOSS: loss}
    checkpoints.save(state_of(step), values)
  checkpoints.wait()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """(folder, identity, state on the host) of a run on a mesh of 8x1."""
  experiment = toy.small_experiment()
  state = experiment.init_state()
  for step in range(3):
    state, _ = experiment.train_step(state, experiment.load_batch(step))
  folder = tmp_path_factory.mktemp("trained")
  checkpoints = Checkpointer(folder, experiment.identity)
  checkpoints.save(state, {WORST_TASK_LOSS: 1.0})
  checkpoints.close()
  return folder, experiment.identity, jax.device_get(state)


@pytest.mark.parametrize("mesh", [(8, 1, 1), (2, 4, 1), (2, 2, 2), (1, 1, 1)])
def test_every_leaf_comes_back_on_any_mesh(trained, monkeypatch, mesh):
  folder, identity, expected = trained
  monkeypatch.setattr(sharding, "MIN_SHARDED_SIZE", 1)  # Split small ones too.
  data, fsdp, tensor = mesh
  num_devices = data * fsdp * tensor
  experiment = toy.small_experiment(
    mesh__data=data,
    mesh__fsdp=fsdp,
    mesh__tensor=tensor,
    devices=jax.devices()[:num_devices],
  )
  checkpoints = Checkpointer(folder, identity)
  state = checkpoints.restore(
    experiment.state_shapes, experiment.state_sharding
  )
  checkpoints.close()
  toy.assert_same_bits(jax.device_get(state), expected)
  assert jax.tree.map(lambda x: x.sharding, state) == experiment.state_sharding
  kernel = state.params["hidden"]["kernel"]
  assert len(kernel.sharding.device_set) == num_devices
  assert kernel.addressable_shards[0].data.shape == (16 // fsdp, 4)
  # The adversary is in it, and has moved.
  weights = np.asarray(minimax.task_weights(state.opt_state))
  assert abs(weights - 1 / 3).max() > 1e-4


def test_nothing_saved_is_none_and_a_missing_step_is_named(opened):
  checkpoints = opened()
  assert checkpoints.steps() == []
  assert restore(checkpoints) is None
  with pytest.raises(InputError, match="no checkpoint of step 3; it has none"):
    restore(checkpoints, 3)
  save(checkpoints, (5, 1.0), (10, 1.0))
  with pytest.raises(InputError, match="of step 3; it has 5, 10"):
    restore(checkpoints, 3)
  assert restore(checkpoints, 5).step == 5


def test_the_latest_and_the_best_are_kept_across_restarts(opened):
  checkpoints = opened(keep_latest=2)
  save(checkpoints, (1, 5.0), (2, 1.0), (3, 3.0), (4, 4.0), (5, 2.0))
  assert checkpoints.steps() == [2, 4, 5]
  # What was the best is read from disk.
  checkpoints = opened(keep_latest=2)
  assert checkpoints.steps() == [2, 4, 5]
  save(checkpoints, (6, 6.0), (7, 1.5))
  assert checkpoints.steps() == [2, 6, 7]
  save(checkpoints, (8, 0.5), (9, 7.0), (10, 8.0), (11, 9.0))
  assert checkpoints.steps() == [8, 10, 11]
  assert restore(checkpoints).step == 11


def test_steps_that_were_not_evaluated_or_gave_nan_are_never_the_best(opened):
  checkpoints = opened(keep_latest=1)
  save(checkpoints, (1, 2.0), (2, float("nan")), (3, None), (4, 3.0))
  assert checkpoints.steps() == [1, 4]
  checkpoints = opened(keep_latest=1)
  save(checkpoints, (5, None), (6, float("nan")))
  assert checkpoints.steps() == [1, 6]


def test_a_state_may_be_donated_as_soon_as_save_returns(opened):
  state = state_of(1, size=2_000_000)
  expected = jax.device_get(state)
  step = jax.jit(lambda s: jax.tree.map(lambda x: x * 0, s), donate_argnums=0)
  checkpoints = opened()
  checkpoints.save(state, {})
  for _ in range(5):
    state = step(state)
  jax.block_until_ready(state)
  checkpoints.wait()
  toy.assert_same_bits(
    jax.device_get(restore(checkpoints, state=expected)), expected
  )


@pytest.mark.parametrize(
  ("name", "value"),
  [("task_names", ["b", "a"]), ("data_digest", "e"), ("config", {"x": 2})],
)
def test_a_checkpoint_of_another_run_is_refused(opened, name, value):
  save(opened(), (7, 1.0))
  other = opened({**IDENTITY, name: value})
  with pytest.raises(InputError, match="checkpoints/7 is of another run") as e:
    restore(other)
  assert f"its {name} is {IDENTITY[name]!r}, this run's is {value!r}" in str(
    e.value
  )


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (
      lambda s: s._replace(params={**s.params, "kernel": jnp.zeros(65)}),
      r"\.params\['kernel'\] is float32\[64\], expected float32\[65\]",
    ),
    (
      lambda s: s._replace(opt_state={"mean": jnp.zeros(64)}),
      r"\.opt_state\['mean'\] is bfloat16\[64\], expected float32\[64\]",
    ),
    (
      lambda s: s._replace(opt_state={"second": jnp.zeros(64)}),
      r"\.opt_state\['mean'\] is bfloat16\[64\], expected absent",
    ),
    (
      lambda s: s._replace(opt_state={**s.opt_state, "more": jnp.zeros(1)}),
      r"\.opt_state\['more'\] is absent, expected float32\[1\]",
    ),
  ],
)
def test_other_arrays_are_refused_by_name(opened, change, message):
  checkpoints = opened()
  save(checkpoints, (7, 1.0))
  with pytest.raises(InputError, match=message) as caught:
    restore(checkpoints, state=change(state_of(0)))
  assert "checkpoints/7 does not fit" in str(caught.value)


# What Orbax leaves unfinished when it fails complains as it is collected.
ORBAX_FAILS = pytest.mark.filterwarnings(
  "ignore::pytest.PytestUnraisableExceptionWarning"
)


def damage(file):
  """Ways in which a file goes bad, each a function."""
  content = file.read_bytes()
  yield "gone", lambda: file.unlink()
  yield "cut", lambda: file.write_bytes(content[: len(content) // 2])
  if content:
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 4
    yield "flipped", lambda: file.write_bytes(flipped)


@ORBAX_FAILS
def test_damage_to_any_file_is_found_or_harmless(opened, tmp_path):
  expected = state_of(7, size=5_000)
  checkpoints = opened()
  checkpoints.save(expected, {WORST_TASK_LOSS: 1.0})
  checkpoints.wait()
  folder = tmp_path / "checkpoints/7"
  whole = tmp_path / "whole"
  shutil.copytree(folder, whole)
  found = {}
  for name in sorted(
    str(file.relative_to(whole)) for file in whole.rglob("*") if file.is_file()
  ):
    for kind, hurt in damage(folder / name):
      hurt()
      try:
        state = restore(checkpoints, state=expected)
        toy.assert_same_bits(jax.device_get(state), jax.device_get(expected))
      except InputError as error:
        found[name, kind] = str(error)
      shutil.copyfile(whole / name, folder / name)
  assert all("checkpoints/7" in message for message in found.values())
  # The file that holds the numbers: a wrong one is never taken.
  data = max(whole.rglob("d/*"), key=lambda file: file.stat().st_size)
  name = str(data.relative_to(whole))
  kinds = {kind for place, kind in found if place == name}
  assert kinds == {"gone", "cut", "flipped"}
  assert "is damaged: array .params['kernel']" in found[name, "flipped"]
  assert ("manifest/metadata", "cut") in found
  gc.collect()


def test_an_empty_folder_is_named_and_skipped(opened, tmp_path, capsys):
  save(opened(), (7, 1.0))
  (tmp_path / "checkpoints/9").mkdir()
  with pytest.raises(InputError, match="checkpoints/9 is damaged: the folder"):
    restore(opened(), 9)
  reader = opened(read_only=True)
  assert restore(reader).step == 7
  assert reader.steps() == [7, 9]
  assert restore(opened()).step == 7
  assert (tmp_path / "set_aside/9").is_dir()
  assert opened().steps() == [7]
  skipped, moved = capsys.readouterr().out.splitlines()
  assert skipped.endswith("checkpoints/9 is damaged: the folder is empty")
  assert moved == f"{skipped}; it lies in {tmp_path / 'set_aside/9'} now"


def flip(folder, step):
  """A bit of every file that holds numbers."""
  for file in (folder / str(step) / "state").rglob("d/*"):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


@ORBAX_FAILS
def test_the_newest_whole_step_is_restored_and_the_rest_said(
  opened, tmp_path, capsys
):
  save(opened(keep_latest=4), (1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0))
  folder = tmp_path / "checkpoints"
  flip(folder, 4)
  (folder / "3/manifest/metadata").write_text("{}")
  for step in (3, 4):  # A step that is asked for is never replaced.
    with pytest.raises(InputError, match=f"checkpoints/{step} "):
      restore(opened(keep_latest=4), step)
  assert capsys.readouterr().out == ""
  checkpoints = opened(keep_latest=4)
  toy.assert_same_bits(
    jax.device_get(restore(checkpoints)), jax.device_get(state_of(2))
  )
  lines = capsys.readouterr().out.splitlines()
  assert [line.split()[:2] for line in lines] == [["skips", "checkpoint"]] * 2
  assert f"{folder}/3 is damaged: its manifest does not have" in lines[0]
  assert f"{folder}/4 " in lines[1]
  assert checkpoints.steps() == [1, 2]
  # The same numbers can be saved again, and be damaged again.
  save(checkpoints, (3, 1.0), (4, 1.0))
  assert restore(opened(keep_latest=4)).step == 4
  flip(folder, 4)
  assert restore(opened(keep_latest=4)).step == 3
  assert sorted(x.name for x in (tmp_path / "set_aside").iterdir()) == [
    *("3", "4", "4.2")
  ]
  gc.collect()


def test_an_older_step_that_is_asked_for_sets_newer_ones_aside(
  opened, tmp_path, capsys
):
  save(opened(keep_latest=3), (1, 1.0), (2, 1.0), (3, 1.0))
  checkpoints = opened(keep_latest=3)
  assert restore(checkpoints, 1).step == 1
  assert checkpoints.steps() == [1]
  assert "skips step 2 is past" in capsys.readouterr().out
  save(checkpoints, (2, 1.0))
  assert restore(opened()).step == 2


def test_without_a_whole_step_all_are_named(opened, tmp_path):
  save(opened(), (1, 1.0), (2, 1.0))
  for step in (1, 2):
    (tmp_path / f"checkpoints/{step}/manifest/metadata").unlink()
  with pytest.raises(InputError, match="is whole: .*/2 is dam.*/1 is damaged"):
    restore(opened())
  assert opened().steps() == [1, 2]  # Nothing was moved.


def test_a_checkpoint_of_another_run_is_not_skipped(opened):
  save(opened(), (1, 1.0))
  save(opened({**IDENTITY, "data_digest": "e"}), (2, 1.0))
  with pytest.raises(InputError, match="checkpoints/2 is of another run"):
    restore(opened())
  assert opened().steps() == [1, 2]


def test_a_folder_under_another_number_is_found(opened, tmp_path):
  save(opened(), (7, 1.0))
  (tmp_path / "checkpoints/7").rename(tmp_path / "checkpoints/9")
  with pytest.raises(InputError, match="9 is damaged: its manifest is of st"):
    restore(opened(), 9)


def test_older_damage_does_not_keep_a_run_from_saving(opened, tmp_path, capsys):
  save(opened(keep_latest=3), (1, 1.0), (2, 1.0))
  (tmp_path / "checkpoints/1/metrics/metrics").write_text("[")
  checkpoints = opened(keep_latest=3)
  assert restore(checkpoints).step == 2
  save(checkpoints, (3, 1.0))
  assert checkpoints.steps() == [2, 3]
  assert "checkpoints/1 is damaged" in capsys.readouterr().out


def test_what_a_kill_left_half_written_is_removed(opened, tmp_path):
  save(opened(), (7, 1.0))
  opened().close()
  folder = tmp_path / "checkpoints"
  shutil.copytree(folder / "7", folder / "8.orbax-checkpoint-tmp")
  reader = opened(read_only=True)
  assert reader.steps() == [7]
  assert restore(reader).step == 7
  assert (folder / "8.orbax-checkpoint-tmp").exists()  # Maybe being written.
  writer = opened()
  assert writer.steps() == [7]
  save(writer, (8, 1.0))
  assert not (folder / "8.orbax-checkpoint-tmp").exists()
  assert restore(opened()).step == 8


def test_a_checkpoint_half_deleted_by_a_kill_does_no_harm(opened, tmp_path):
  save(opened(keep_latest=3), (1, 1.0), (2, 2.0), (3, 3.0))
  for part in ("metrics", "manifest"):
    shutil.rmtree(tmp_path / f"checkpoints/1/{part}")
  checkpoints = opened(keep_latest=2)
  assert restore(checkpoints).step == 3
  save(checkpoints, (4, 4.0))
  assert checkpoints.steps() == [2, 3, 4]


def test_a_reader_makes_no_folder(tmp_path):
  folder = pathlib.Path(tmp_path / "none")
  reader = Checkpointer(folder, IDENTITY, read_only=True)
  assert restore(reader) is None
  reader.close()
  assert not folder.exists()


@ORBAX_FAILS
def test_a_full_disk_is_named_and_older_checkpoints_stay(opened, tmp_path):
  checkpoints = opened()
  save(checkpoints, (7, 1.0))
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  try:
    # As a full disk does, it refuses what is written.
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))
    checkpoints.save(state_of(8, size=100_000), {})
    with pytest.raises(OSError, match="could not be saved in .*checkpoints"):
      checkpoints.wait()
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  checkpoints = opened()
  assert checkpoints.steps() == [7]
  assert restore(checkpoints).step == 7
  gc.collect()
