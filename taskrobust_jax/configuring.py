"""Helpers for config files: what stands after the colon of `--config`.

--config=configs/x.py:strategy=mirror_ascent,step_size=0.05
--config=configs/x.py:ordinary
"""

import ast
import difflib
import inspect
import re
from typing import Any

from ml_collections import ConfigDict

from taskrobust_jax import minimax
from taskrobust_jax.data import taggers
from taskrobust_jax.data.part_of_speech import GROUPS, UPOS_TAGS
from taskrobust_jax.errors import InputError
from taskrobust_jax.models.bert import SIZES


def pos_bert(
  text: str,
  *,
  size: str,
  strategy: str,
  arguments: dict[str, Any],
  tagger: str = "pattern",
  tagger_path: str = "",
) -> ConfigDict:
  """BERT with part-of-speech tasks, in BERT's published settings.

  A config file takes this and says what it changes. Arguments of `--config`
  besides those of the strategy:
    `:ordinary` makes it one task of ordinary masked language modelling over
      15 % of the pieces, the baseline.
    `:split=NAME` splits the text otherwise: `denoisers`; `difficulty`, on data
      that `tag_by_loss` wrote; or a tagger of `data/taggers.py` that tells no
      grammar, such as `word_frequency:4` (prepare the data with the same
      argument).

  Args:
    text: What stands after the colon of `--config`.
    size: A key of `models.bert.SIZES`.
    strategy: The config's own strategy.
    arguments: Its arguments.
    tagger: Of parts of speech.
    tagger_path: Its file, if it reads one.

  Returns:
    Every key that `train/build.py` and `prepare` read.
  """
  options, minimax_section = parse(
    text, strategy, arguments, ordinary=False, split=""
  )
  num_layers, width, num_heads = SIZES[size]
  groups = {"all": UPOS_TAGS} if options.ordinary else GROUPS
  budget = "rows"
  if options.split:
    if options.ordinary:
      raise InputError("config arguments ordinary and split exclude each other")
    groups = {}
    if options.split not in ("denoisers", "difficulty"):
      tagger, tagger_path = options.split, ""
      taggers.check(tagger)
    if tagger.partition(":")[0] in taggers.OF_DOCUMENTS:
      budget = "one_input"  # A row's words are of few tasks.
  return ConfigDict(
    {
      "seed": 0,
      "num_steps": 1_000_000,
      "batch_size": 256,  # Rows a step, over all hosts and tasks.
      "log_every": 100,
      "log_writer": "tensorboard",  # Or clu, which needs TensorFlow, or none.
      "data": {
        "source": "text_files",
        "train_path": "",
        "eval_path": "",  # If empty, eval_share of the documents.
        "eval_share": 0.05,
        "text_feature": "text",  # Of a source tfds:NAME.
        "tagger": tagger,
        "tagger_path": tagger_path,  # The file of a tagger that reads one.
        "vocabulary_path": "",  # vocab.txt, tokenizer.json; else trained.
        "vocabulary_size": 30522,
        "row_length": 128,
        "digest": "",  # Fill in to insist on one dataset.
      },
      "tasks": {
        "kind": "masked_language",
        "hiding": (
          "denoisers" if options.split == "denoisers" else "word_groups"
        ),
        "groups": groups,  # {}: each tag of the data is one.
        # Of a row's words of the group, but at most max_share of its pieces.
        "word_fraction": (
          1.0 if options.ordinary or budget == "one_input" else 0.5
        ),
        "max_share": 0.15,
        "budget": budget,  # See tasks/masked_language.py.
        "min_rows": 0,  # Of rows_by_weight; 0: a sixteenth of an equal share.
      },
      "model": {
        "num_layers": num_layers,
        "width": width,
        "num_heads": num_heads,
        "mlp_width": 4 * width,
        "dropout_rate": 0.1,
        "dtype": "bfloat16",
        "unroll": False,
        "remat": False,
      },
      "minimax": minimax_section,
      "optimizer": {
        "learning_rate": 1e-4,
        "warmup_steps": 10_000,
        "b1": 0.9,
        "b2": 0.999,
        "eps": 1e-6,
        "weight_decay": 0.01,
        "clip_norm": 1.0,
        # Gradients whose norm is so many times the running mean are skipped; 0:
        # none.
        "skip_norm_above": 0.0,
        # Gradients in a row that are not finite, after which a run stops.
        "max_non_finite_in_a_row": 100,
        "average_decay": 0.0,  # Of mean params; 1: plain mean, 0: none.
      },
      "mesh": {"data": -1, "fsdp": 1},
      "evaluation": {
        "every": 1_000,
        "batch_size": 256,
        "max_rows": 0,  # All.
        # The rows after these are for the adversary, if its signal is held_out.
        "adversary_rows": 256,
        "patience": 0,  # Evaluations without a better worst task; 0: no end.
      },
      "checkpoint": {
        "every": 1_000,
        "keep_latest": 2,
        "on_error": "stop",  # Or "continue": a full disk is waited out.
      },
    }
  ).lock()  # A typo in a config file is an error and not a new key.


def parse(
  text: str, strategy: str, arguments: dict[str, Any], **options: Any
) -> tuple[ConfigDict, ConfigDict]:
  """Reads the argument string of a config file.

  Args:
    text: `name=value` pairs, separated by commas; a bare name is `name=True`.
      Values are Python literals, or else text.
    strategy: The config's own choice.
    arguments: The config's own arguments for that strategy; they are dropped
      if `text` names another one.
    **options: Further names the config understands, with their defaults.

  Returns:
    (options, minimax): the options as set, and the section `config.minimax`
    with `strategy`, `order` and every argument of the signatures of the
    strategy and its `signal`.

  Raises:
    InputError: For an unknown name, a strategy without a required argument, or
      text that is not of this form.
  """
  given = {}
  # Split at commas that stand outside of brackets.
  for part in re.split(r",(?![^()\[\]]*[)\]])", text) if text else ():
    name, has_value, value = part.partition("=")
    if not name.strip().isidentifier() or name.strip() in given:
      raise InputError(
        f"config argument {part!r} of {text!r} must be name=value, each name "
        "once"
      )
    given[name.strip()] = _literal(value) if has_value else True

  chosen = str(given.pop("strategy", strategy))
  own = arguments if chosen == strategy else {}
  signal = given.get("signal", own.get("signal"))
  try:
    signature = minimax.signature(chosen, signal)
  except ValueError as error:
    raise InputError(str(error)) from error
  # Those of a signal that was changed are dropped.
  own = {name: value for name, value in own.items() if name in signature}
  section = {"strategy": chosen, "order": "alternating", **signature, **own}
  legal = {"strategy", *section, *options}
  for name, value in given.items():
    if name not in legal:
      close = difflib.get_close_matches(name, legal, n=1)
      hint = f"; did you mean {close[0]!r}?" if close else "."
      raise InputError(
        f"unknown config argument {name!r}{hint} Legal with strategy {chosen}: "
        f"{', '.join(sorted(legal))}"
      )
    target = options if name in options else section
    # Text such as "false" would count as true, and a bare name as 1.
    is_switch = isinstance(target[name], bool)
    if isinstance(value, bool) != is_switch:
      legal = "True or False" if is_switch else "given as name=value"
      raise InputError(f"config argument {name} must be {legal}, got {value!r}")
    target[name] = value
  for name, value in section.items():
    if value is inspect.Parameter.empty:
      raise InputError(
        f"strategy {chosen} needs {name}; write :strategy={chosen},{name}=..."
      )
  return ConfigDict(options), ConfigDict(section)


def _literal(text: str) -> Any:
  try:
    return ast.literal_eval(text.strip())
  except (ValueError, SyntaxError):
    return text.strip()
