"""Strategies and signals by name, as a config says them."""

import inspect
import itertools
import pathlib

import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax import minimax
from taskrobust_jax.minimax import signals

TAKES_SIGNAL = [
  name for name in minimax.STRATEGIES if "signal" in minimax.signature(name)
]


def test_the_signal_stands_in_the_signature_as_text():
  assert minimax.signature("mirror_ascent") == {
    "step_size": 0.01,
    "smoothing": 0.0,
    "signal": "raw",
  }
  assert minimax.signature("cvar", signal="excess_over+ema") == {
    "fraction": 0.5,
    "signal": "excess_over+ema",
    "reference_losses": inspect.Parameter.empty,
    "reference_steps": (),
    "decay": inspect.Parameter.empty,
  }
  assert "signal" not in minimax.signature("famo")


def test_who_takes_a_signal():
  assert TAKES_SIGNAL == [
    "mirror_ascent",
    "optimistic_mirror_ascent",
    "softmax_weighted",
    "cvar",
    "chi_square",
    "chi_square_penalised",
  ]


def test_no_name_of_an_argument_clashes():
  own = {name: set(signals.signature(name)) for name in signals.SIGNALS}
  for one, other in itertools.combinations(own, 2):
    assert not own[one] & own[other], (one, other)
  for strategy, signal in itertools.product(TAKES_SIGNAL, own):
    parameters = inspect.signature(minimax.STRATEGIES[strategy].make).parameters
    assert not set(parameters) & own[signal], (strategy, signal)
    assert "order" not in own[signal] | set(parameters)
    assert "strategy" not in own[signal] | set(parameters)


@pytest.mark.parametrize("name", minimax.STRATEGIES)
def test_defaults_are_plain_values(name):
  signal = "+".join(signals.SIGNALS) if name in TAKES_SIGNAL else None
  for value in minimax.signature(name, signal=signal).values():
    assert value is inspect.Parameter.empty or isinstance(
      value, (bool, int, float, str, tuple)
    )


@pytest.mark.parametrize("name", TAKES_SIGNAL)
def test_a_signal_by_text_is_the_signal_itself(name):
  by_text = minimax.make(
    name, signal="excess_over+ema", reference_losses=(2.0, 1.0), decay=0.5
  )
  itself = minimax.make(
    name,
    signal=signals.chain(signals.excess_over((2.0, 1.0)), signals.ema(0.5)),
  )
  state, other = by_text.init(2), itself.init(2)
  for losses in ([2.5, 1.2], [2.2, 1.4]):
    got, state = by_text.update(jnp.array(losses), state)
    expected, other = itself.update(jnp.array(losses), other)
    np.testing.assert_array_equal(got, expected)
  assert len(state.signal) == 2


@pytest.mark.parametrize(
  ("name", "arguments", "message"),
  [
    ("mirror_ascent", {"signal": "emma"}, "unknown signal 'emma'; did you"),
    ("mirror_ascent", {"signal": "ema"}, "needs the argument 'decay'"),
    ("mirror_ascent", {"decay": 0.9}, "no argument 'decay'; it takes step_"),
    ("mirror_ascent", {"signal": "ema", "decay": 1.0}, r"\[0, 1\), got 1.0"),
    ("group_dro", {"signal": "raw"}, "group_dro has no argument 'signal'"),
    ("uniform", {"signal": signals.raw()}, "uniform has no argument 'signal'"),
    ("fixed", {}, "strategy fixed needs the argument 'weights'"),
  ],
)
def test_misuse_names_itself(name, arguments, message):
  with pytest.raises(ValueError, match=message):
    minimax.make(name, **arguments)


def test_the_table_has_a_row_a_strategy():
  rows = minimax.table().splitlines()[2:]
  assert len(rows) == len(minimax.STRATEGIES)
  for name, row in zip(minimax.STRATEGIES, rows):
    assert row.startswith(f"| `{name}(")
    assert row.count("|") == 7
  by_name = dict(zip(minimax.STRATEGIES, rows))
  assert "| `gradient_norms` | yes |" in by_name["gradnorm"]
  assert "| `next_losses` if given | yes |" in by_name["famo"]
  assert "| - | no |" in by_name["uncertainty"]


def test_every_strategy_is_offered_by_its_name():
  for name, strategy in minimax.STRATEGIES.items():
    assert getattr(minimax, name) is strategy.make
    assert strategy.make.__name__ == name
  assert set(minimax.STRATEGIES) <= set(minimax.__all__)


def test_the_readme_has_the_table():
  readme = pathlib.Path(__file__).parents[2] / "README.md"
  assert minimax.table() in readme.read_text()
