"""How every program starts and ends: flags, then one call, then a code."""

from collections.abc import Callable, Iterator, Sequence
import os
import platform
import signal
import sys
import traceback

from absl import app, flags, logging

import taskrobust_jax
from taskrobust_jax import errors

# The flags defined here are those of the program that asks for them.
flags.disclaim_key_flags()


def run(main: Callable[[], int | None]) -> None:
  """Parses the flags, calls `main` and exits; never returns.

  The exit code is what `main` returns (None is 0), 2 with one line on standard
  error for bad input (`InputError`, a wrong flag), 130 after Ctrl-C, 1 with one
  line for an `OSError` such as a full disk and for a `FloatingPointError`. Any
  other exception is a fault: a traceback and 1.

  Args:
    main: the program; it reads `absl.flags.FLAGS`.
  """

  def no_words(words: Sequence[str]) -> int | None:
    if words:
      raise errors.InputError(
        f"unexpected argument {words[0]!r}; flags start with --"
      )
    return main()

  run_with_words(no_words)


def run_with_words(main: Callable[[Sequence[str]], int | None]) -> None:
  """`run` for a program that also takes words, such as folders.

  Args:
    main: the program; it gets the words, in their order. What stands after
      "--" is a word, whatever it begins with.
  """

  def call(argv: Sequence[str]) -> int:
    if signal.getsignal(signal.SIGINT) == taskrobust_jax._interrupted:
      signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
      return main(argv[1:]) or errors.DONE
    except (Exception, KeyboardInterrupt) as error:
      code = explain(error)
      if code == errors.FAULT:
        # Threads of a save that failed may wait for each other for minutes.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
      return code

  # Orbax tells of every file it writes, and warns of checkpoints that were not
  # evaluated; what a run has to say, it prints.
  logging.set_verbosity(logging.ERROR)
  flags.FLAGS.set_gnu_getopt()  # Flags may stand after words.
  app.run(call, flags_parser=_parse)


class _Path(flags.ArgumentParser):
  """A path; shells leave the ~ of --flag=~/x to the program."""

  def parse(self, argument: str) -> str:
    return os.path.expanduser(argument)


def define_path(name: str, help_text: str) -> flags.FlagHolder:
  """Defines a flag that takes a folder or a file of this machine."""
  holder = flags.DEFINE(_Path(), name, None, help_text)
  flags.register_validator(holder, check_is_local)
  return holder


def define_dry_run() -> flags.FlagHolder:
  """Defines --dry_run, for a program that takes long or writes much."""
  return flags.DEFINE_boolean(
    "dry_run", False, "Check everything, print the plan and write nothing."
  )


def check_is_local(path: str | None) -> bool:
  """Returns True, or raises InputError for an address in a bucket."""
  if path and "://" in path:
    raise errors.InputError(
      f"{path} is no folder; mount the bucket (launch/setup_tpu.sh does, with "
      "gcsfuse) and give the path under it, such as /mnt/bucket/..."
    )
  return True


def cache_compiled() -> None:
  """Programs are compiled once a machine, unless JAX is told where they lie.

  Call it before the first compilation.
  """
  import jax  # Not every program needs it, and it takes a second.

  if not jax.config.jax_compilation_cache_dir:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    # A home may be shared by machines whose processors differ.
    folder = os.path.join(home, "taskrobust_jax", platform.node())
    jax.config.update("jax_compilation_cache_dir", folder)


def explain(error: BaseException) -> int:
  """Prints what ended a program, a fault with its traceback.

  Returns:
    The exit code.
  """
  if isinstance(error, errors.InputError):
    return _bad_input(error)
  if isinstance(error, KeyboardInterrupt):
    print("interrupted", file=sys.stderr)
    return errors.INTERRUPTED
  # A full disk, a lost mount; a loss that is no number.
  if isinstance(error, OSError | FloatingPointError):
    print(f"error: {one_line(error)}", file=sys.stderr)
  else:
    traceback.print_exception(error)
  return errors.FAULT


def one_line(error: object) -> str:
  """The message of an exception; its name if it has none."""
  text = error.args[0] if isinstance(error, KeyError) else str(error)
  lines = [line.strip() for line in str(text).splitlines()]
  return "; ".join(lines) or type(error).__name__


def _parse(argv: Sequence[str]) -> Sequence[str]:
  """Parses flags, which also executes the config file."""
  try:
    arguments = flags.FLAGS(argv)
    for name in flags.FLAGS:
      # A config that cannot be opened raises OSError when it is first used.
      getattr(flags.FLAGS[name].value, "lock", None)
    return arguments
  except (flags.Error, errors.InputError) as error:
    # absl wraps what a config's own code raises, traceback and all.
    own = [e for e in _chain(error) if isinstance(e, errors.InputError)]
    sys.exit(_bad_input(own[-1] if own else error))
  except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
    if not _is_from_config_flags(error):
      raise  # A fault in the config's own code: show where.
    problem = error.args[0] if isinstance(error, AttributeError) else error
    sys.exit(_bad_input(f"--config: {one_line(problem)}"))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
  """Yields an exception, the one it was raised from, and so on."""
  while error is not None:
    yield error
    error = error.__cause__ or error.__context__


def _is_from_config_flags(error: BaseException) -> bool:
  """Whether no frame of the traceback is the config file's own."""
  modules = [
    frame.f_globals["__name__"].split(".")[0]
    for frame, _ in traceback.walk_tb(error.__traceback__)
  ]
  return set(modules[1:]) <= {"absl", "ml_collections"}


def _bad_input(message: object) -> int:
  print(f"error: {message}", file=sys.stderr)
  return errors.BAD_INPUT
