"""The step: weighting, guards, and the program that it compiles to."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from taskrobust_jax import minimax
from taskrobust_jax.train import build, optimizer, sharding, state, step
from tests.train import toy


def run(experiment, num_steps):
  """(final state, metrics a step)."""
  now = experiment.init_state()
  history = []
  for index in range(num_steps):
    now, metrics = experiment.train_step(now, experiment.load_batch(index))
    history.append(jax.device_get(metrics))
  return now, history


def experiment_of(text="", **changes):
  return build.build(toy.config(text, **changes), toy.Dataset())


def test_minimax_learns_and_its_weights_follow_the_losses():
  _, history = run(experiment_of("step_size=0.5,smoothing=0.0"), 20)
  assert history[-1].losses.mean() < history[0].losses.mean() - 0.2
  log_weights = np.full(4, -np.log(4.0))
  for metrics in history:
    log_weights = log_weights + 0.5 * metrics.losses.astype(np.float64)
    log_weights -= np.log(np.exp(log_weights).sum())
    np.testing.assert_allclose(
      metrics.task_weights, np.exp(log_weights), rtol=1e-3
    )


def test_step_size_0_is_the_plain_average():
  _, still = run(experiment_of("step_size=0.0"), 5)
  _, plain = run(experiment_of("strategy=uniform"), 5)
  for one, other in zip(still, plain):
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-5)


def test_each_step_masks_anew():
  experiment = experiment_of(optimizer__learning_rate=1e-12)
  batch = experiment.load_batch(0)
  now, first = experiment.train_step(experiment.init_state(), batch)
  _, second = experiment.train_step(now, batch)
  assert (first.losses != second.losses).all()


def test_one_program_for_all_steps_and_no_host_in_it():
  experiment = experiment_of()
  run(experiment, 3)
  assert experiment.train_step._cache_size() == 1
  compiled = experiment.train_step.lower(
    experiment.state_shapes, experiment.load_batch(0)
  ).compile()
  text = compiled.as_text()
  assert "callback" not in text
  assert "outfeed" not in text


def test_runs_that_differ_in_their_seed_share_a_program():
  texts = [
    experiment.train_step.lower(
      experiment.state_shapes, experiment.load_batch(0)
    ).as_text()
    for experiment in (experiment_of(seed=1), experiment_of(seed=2))
  ]
  assert texts[0] == texts[1]


class Quadratics:
  """A user's own suite: two tasks, and a third that comes and goes."""

  task_names = ("left", "right", "guest")

  def per_task_losses(self, params, batch, rng):
    del rng
    x = params["x"]
    losses = jnp.stack([4 * (x - 1) ** 2, (x + 1) ** 2, batch["loss"][0]])
    counts = (
      jnp.array([1.0, 1.0, 0.0]) + jnp.array([0, 0, 1]) * batch["here"][0]
    )
    return losses, counts


def own_step(suite):
  adversary = minimax.ascend(minimax.mirror_ascent(0.05), 3)
  tx = optimizer.make_optimizer(
    adversary,
    lambda step: 0.05,
    b1=0.0,
    b2=0.9,
    eps=1e-8,
    weight_decay=0.0,
    clip_norm=1e9,
    skip_norm_above=0.0,
  )
  start = state.initial_state(lambda key: {"x": jnp.float32(0.0)}, tx, 0)
  return jax.jit(step.make_train_step(suite, tx)), start


def test_a_suite_needs_two_attributes_and_no_entry_anywhere():
  train_step, now = own_step(Quadratics())
  batch = {"loss": jnp.zeros(1), "here": jnp.zeros(1)}
  for _ in range(500):
    now, metrics = train_step(now, batch)
  np.testing.assert_allclose(now.params["x"], 1 / 3, atol=0.06)
  assert metrics.task_weights[2] == 0


def test_a_non_finite_gradient_changes_nothing_but_the_step():
  class Poisoned(Quadratics):
    def per_task_losses(self, params, batch, rng):
      losses, counts = super().per_task_losses(params, batch, rng)
      return losses * batch["poison"][0], counts

  train_step, now = own_step(Poisoned())
  good = {"loss": jnp.zeros(1), "here": jnp.zeros(1), "poison": jnp.ones(1)}
  bad = good | {"poison": jnp.full(1, jnp.nan)}
  now, _ = train_step(now, good)
  after, metrics = train_step(now, bad)
  assert after.step == 2
  assert after.params["x"] == now.params["x"]
  assert metrics.skipped_updates == 1
  link = minimax.find_state(after.opt_state)
  np.testing.assert_array_equal(
    link.weighting.task_weights,
    minimax.find_state(now.opt_state).weighting.task_weights,
  )
  np.testing.assert_array_equal(link.weighting.num_nonfinite, [1, 1, 0])
  again, _ = train_step(after, good)
  assert again.params["x"] != after.params["x"]


def test_the_learning_rate_follows_the_step_through_skipped_updates():
  rate = optimizer.make_schedule(1.0, 2, 10)
  np.testing.assert_allclose(
    [rate(s) for s in (0, 1, 2, 6, 10)], [0.0, 0.5, 1.0, 0.5, 0.0]
  )
  link = optimizer._scale_by_learning_rate(rate)
  updates, _ = link.update(jnp.float32(1.0), link.init(None), step=6)
  np.testing.assert_allclose(updates, -0.5)


def test_weight_decay_spares_biases_and_norms():
  tx = optimizer.make_optimizer(
    optax.identity(),
    lambda step: 1.0,
    b1=0.9,
    b2=0.999,
    eps=1e-8,
    weight_decay=0.1,
    clip_norm=1.0,
    skip_norm_above=0.0,
  )
  params = {"kernel": jnp.ones(2), "bias": jnp.ones(2), "scale": jnp.ones(2)}
  zeros = jax.tree.map(jnp.zeros_like, params)
  updates, _ = tx.update(zeros, tx.init(params), params, step=0)
  np.testing.assert_allclose(updates["kernel"], -0.1)
  np.testing.assert_array_equal(updates["bias"], 0.0)
  np.testing.assert_array_equal(updates["scale"], 0.0)


def collectives(experiment):
  text = (
    experiment.train_step.lower(
      experiment.state_shapes, experiment.load_batch(0)
    )
    .compile()
    .as_text()
  )
  names = "all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute"
  return set(re.findall(rf" ({names})(?:-start)?\(", text))


def test_a_profile_tells_the_parts_of_a_step():
  experiment = experiment_of()
  text = experiment.train_step.lower(
    experiment.state_shapes, experiment.load_batch(0)
  ).as_text(debug_info=True)
  for name in ("corrupt", "encode", "decode", "losses", "adversary", "update"):
    assert re.search(rf"[/(]{name}[/)]", text), name


def test_data_parallel_needs_all_reduce_alone():
  assert collectives(experiment_of()) == {"all-reduce"}


@pytest.fixture(scope="module")
def on_one_device():
  one = build.build(toy.config(), toy.Dataset(), devices=jax.devices()[:1])
  return one, run(one, 20)[1]


@pytest.mark.parametrize("mesh", [(8, 1, 1), (2, 4, 1), (2, 2, 2)])
def test_eight_devices_give_the_losses_of_one(mesh, on_one_device, monkeypatch):
  monkeypatch.setattr(sharding, "MIN_SHARDED_SIZE", 1)  # Split small ones too.
  sizes = dict(zip(("mesh__data", "mesh__fsdp", "mesh__tensor"), mesh))
  many = experiment_of(**sizes)
  assert many.mesh.size == 8
  one, expected = on_one_device
  for index in range(3):
    for name, rows in one.load_batch(index).items():
      np.testing.assert_array_equal(rows, many.load_batch(index)[name])
  final, got = run(many, 20)
  for a, b in zip(expected, got):
    np.testing.assert_allclose(b.losses, a.losses, rtol=1e-5)
    np.testing.assert_allclose(b.task_weights, a.task_weights, rtol=1e-5)
    np.testing.assert_array_equal(b.counts, a.counts)
  kernel = final.params["transformer"]["layers"]["mlp_in"]["kernel"]
  assert kernel.addressable_shards[0].data.size * mesh[1] * mesh[2] == 16 * 32


def test_rows_follow_the_weights_of_the_step_before():
  text = "strategy=fixed,weights=(13,1,1,1)"
  config = toy.config(text, tasks__budget="rows_by_weight")
  experiment = build.build(config, toy.Dataset(), devices=jax.devices()[:1])
  train_state, counts = experiment.init_state(), []
  for at in range(2):
    train_state, metrics = experiment.train_step(
      train_state, experiment.load_batch(at)
    )
    counts.append(np.asarray(metrics.counts))
  share = [count[0] / count.sum() for count in counts]
  # Before the first step the weights are equal.
  assert share[0] < 0.5 < share[1]
  assert all((count > 0).all() for count in counts)
