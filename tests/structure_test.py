"""Who imports whom, what nobody may call, and the examples in docstrings."""

import ast
import doctest
import importlib
import pathlib
import subprocess
import sys

import pytest

PACKAGE = "taskrobust_jax"
ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted((ROOT / PACKAGE).rglob("*.py"))


def module_of(file):
  parts = file.relative_to(ROOT).with_suffix("").parts
  return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {module_of(file): ast.parse(file.read_text()) for file in FILES}


def imports_of(module):
  """Modules and names that a module imports, wherever the import stands."""
  for node in ast.walk(TREES[module]):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0
      yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences(part, is_wrong):
  return [
    (module, name)
    for module in TREES
    if is_within(module, part)
    for name in imports_of(module)
    if is_wrong(name)
  ]


def is_within(name, part):
  return name == part or name.startswith(f"{part}.")


def own_part(name):
  """`train` for `taskrobust_jax.train.loop`, None for others' modules."""
  parts = name.split(".")
  return (parts + [""])[1] if parts[0] == PACKAGE else None


def test_the_package_is_here():
  assert f"{PACKAGE}.minimax.ascent" in TREES
  assert f"{PACKAGE}.train.loop" in TREES
  names = set(imports_of(f"{PACKAGE}.train.loop"))
  assert f"{PACKAGE}.train.build.Experiment" in names
  assert "signal" in names


def test_minimax_can_be_lifted_into_any_loop():
  def is_wrong(name):
    if is_within(name, f"{PACKAGE}.minimax"):
      return False
    top = name.split(".")[0]
    return top not in {"jax", "optax"} | sys.stdlib_module_names

  assert offences(f"{PACKAGE}.minimax", is_wrong) == []


@pytest.mark.parametrize(
  ("part", "legal"),
  [
    ("minimax", set()),
    ("models", {"errors"}),
    ("files", set()),
    ("flops", set()),
    ("lock", {"errors"}),
    ("data", {"errors", "files", "lock"}),
    ("report", {"errors", "files", "flops", "program"}),
    ("storage", {"errors", "files"}),
    ("tasks", {"models", "data", "minimax", "errors"}),
    ("planning", {"train", "tasks", "models", "data", "minimax", "errors"}),
    (
      "train",
      {"storage", "tasks", "models", "data", "minimax"}
      | {"errors", "files", "lock"},
    ),
    (
      "public_weights",
      {"train", "storage", "models", "data", "errors", "files"},
    ),
    (
      "transfer",
      {"train", "storage", "tasks", "models", "data"}
      | {"errors", "files", "flops", "lock"},
    ),
  ],
)
def test_imports_go_one_way(part, legal):
  def is_wrong(name):
    # `from taskrobust_jax import errors` is named like `errors` itself.
    return own_part(name) not in {None, part} | legal

  assert offences(f"{PACKAGE}.{part}", is_wrong) == []


@pytest.mark.parametrize(
  ("part", "strangers"),
  [
    ("pictures", {"text", "tagging", "downstream"}),
    ("text", {"pictures", "downstream"}),
    ("tagging", {"pictures", "downstream"}),
    ("downstream", {"pictures", "tagging"}),
  ],
)
def test_text_and_pictures_do_not_know_each_other(part, strangers):
  data = f"{PACKAGE}.data"

  def is_wrong(name):
    return any(is_within(name, f"{data}.{other}") for other in strangers)

  assert TREES.keys() & {f"{data}.{other}" for other in strangers}
  assert offences(f"{data}.{part}", is_wrong) == []


@pytest.mark.parametrize(
  ("part", "forbidden"),
  [
    ("report", {"jax", "jaxlib", "flax", "optax", "orbax"}),
    ("data", {"jax", "jaxlib", "flax", "optax", "orbax"}),
    ("", {"tensorflow", "torch", "yaml"}),
    # Each of them runs what a file says.
    ("", {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}),
  ],
)
def test_nobody_imports_what_is_forbidden(part, forbidden):
  place = f"{PACKAGE}.{part}" if part else PACKAGE
  found = offences(place, lambda name: name.split(".")[0] in forbidden)
  # They measure others' code, in its environment.
  others = {
    f"{PACKAGE}.benchmarks.{name}"
    for name in ("minimax_overhead_torch", "training_torch", "vision_torch")
  }
  assert [x for x in found if x[0] not in others] == []


def test_orbax_stands_behind_one_module():
  found = offences(PACKAGE, lambda name: is_within(name, "orbax"))
  assert {module for module, _ in found} == {f"{PACKAGE}.storage.checkpoint"}


RUNS_CODE = {
  *("eval", "exec", "compile", "__import__", "importlib.import_module"),
  *("os.system", "os.popen", "yaml.load", "torch.load", "runpy.run_path"),
}


def test_no_code_is_run_from_data():
  found = []
  for module, tree in TREES.items():
    for node in ast.walk(tree):
      if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if called.removeprefix("builtins.") in RUNS_CODE:
          found.append((module, called))
        if any(k.arg in ("allow_pickle", "shell") for k in node.keywords):
          found.append((module, ast.unparse(node)))
  assert found == []


def test_pretrain_does_not_import_tensorflow():
  code = (
    f"import sys, {PACKAGE}.pretrain\n"
    "bad = {'tensorflow', 'torch', 'tensorboard'} & set(sys.modules)\n"
    "sys.exit(f'imported {bad}' if bad else 0)"
  )
  result = subprocess.run(
    [sys.executable, "-c", code],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stderr


WITH_EXAMPLES = [
  module_of(file) for file in FILES if ">>> " in file.read_text()
]


def test_some_modules_have_examples():
  assert f"{PACKAGE}.minimax.transform" in WITH_EXAMPLES


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_are_true(module):
  result = doctest.testmod(importlib.import_module(module))
  assert result.attempted > 0
  assert result.failed == 0
