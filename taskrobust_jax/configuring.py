"""What configs of pre-training are made of: every key, as published."""

from typing import Any

from ml_collections import ConfigDict

from taskrobust_jax.config_text import parse
from taskrobust_jax.data.tagging import taggers
from taskrobust_jax.data.tagging.part_of_speech import GROUPS
from taskrobust_jax.data.text.conllu import UPOS_TAGS
from taskrobust_jax.errors import InputError
from taskrobust_jax.models.bert import SIZES
from taskrobust_jax.models.multimae import SIZES as VIT_SIZES

# Of mirror ascent on losses of words, as the study found it (README.md).
ASCENT = {"step_size": 0.02, "smoothing": 0.1, "signal": "ema", "decay": 0.9}

# Arguments of image_folders.multimodal_folder.
MULTIMODAL_FOLDER = {
  "modalities": ("rgb", "depth", "semseg"),
  "depth_scale": 65_536.0,
  "depth_bits": 16,
  "class_names": (),
  "ignored": 255,
}


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
      that `tag_by_loss` wrote; or a tagger of `data/tagging/taggers.py` that
      tells no grammar, such as `word_frequency:4` (prepare the data with the
      same argument).
    `:groups={'task':('TAG','TAG'),...}` makes other tasks of the same tags.

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
    text, strategy, arguments, ordinary=False, split="", groups={}
  )
  num_layers, width, num_heads = SIZES[size]
  for name in ("split", "groups"):
    if options.ordinary and options[name]:
      raise InputError(
        f"config arguments ordinary and {name} exclude each other"
      )
  groups = {"all": UPOS_TAGS} if options.ordinary else GROUPS
  budget = "rows"
  if options.split:
    groups = {}
    if options.split not in ("denoisers", "difficulty"):
      tagger, tagger_path = options.split, ""
      taggers.check(tagger)
    if tagger.partition(":")[0] in taggers.OF_DOCUMENTS:
      budget = "one_input"  # A row's words are of few tasks.
  groups = _groups(options.groups) or groups
  return _config(
    minimax_section,
    data={
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
    },
    tasks={
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
    model={
      "num_layers": num_layers,
      "width": width,
      "num_heads": num_heads,
      "mlp_width": 4 * width,
      "dropout_rate": 0.1,
      "dtype": "bfloat16",
      "unroll": False,
      "remat": False,
    },
  )


def _groups(value: Any) -> dict[str, tuple[str, ...]]:
  """Task name -> tags, as given after the colon; {} for nothing."""
  given = value.to_dict() if isinstance(value, ConfigDict) else value
  if not isinstance(given, dict) or not all(
    isinstance(tags, tuple | list)
    and tags
    and all(isinstance(tag, str) for tag in tags)
    for tags in given.values()
  ):
    raise InputError(
      "config argument groups must be {'task':('TAG',...),...}, got "
      f"{given!r}"
    )
  return {str(task): tuple(tags) for task, tags in given.items()}


def masked_autoencoder(
  text: str,
  *,
  size: str,
  strategy: str,
  arguments: dict[str, Any],
  inputs: tuple[str, ...],
  outputs: tuple[str, ...],
  decoder: tuple[int, int, int] = (2, 256, 8),
) -> ConfigDict:
  """A multi-modal masked autoencoder, in MultiMAE's published settings.

  A config file takes this and says what it changes. The argument
  `:outputs=("rgb","depth")` chooses the tasks anew.

  Args:
    text: What stands after the colon of `--config`.
    size: A key of `models.multimae.SIZES`.
    strategy: The config's own strategy.
    arguments: Its arguments.
    inputs: Modalities that are shown.
    outputs: Modalities that are recovered, a task each.
    decoder: Layers, width, heads of each decoder.

  Returns:
    Every key that `train/build.py` reads.
  """
  options, minimax_section = parse(text, strategy, arguments, outputs=outputs)
  transformer = {
    "dropout_rate": 0.0,
    "dtype": "bfloat16",
    "unroll": False,
    "remat": False,
  }
  shapes = {"encoder": VIT_SIZES[size], "decoder": decoder}
  return _config(
    minimax_section,
    data={
      "sources": ("scenes",),  # See data/pictures/image_sources.py.
      "image_size": 224,
      "train_rows": 100_000,  # Of scenes.
      "eval_rows": 1_000,
      "if_bad": "fail",  # Or skip: pictures that do not decode.
      # Of sources multimodal_folder=PATH; see data/pictures/image_folders.py.
      "multimodal_folder": dict(MULTIMODAL_FOLDER),
      "crop_scale": (0.2, 1.0),  # Of a picture's area, in training.
      "flip": 0.5,
    },
    tasks={
      "kind": "masked_image",
      "inputs": inputs,
      "outputs": _names(options.outputs),
      "patch": 16,
      "num_visible": 98,  # Patches of an example that the encoder sees.
      "concentration": 1.0,  # Of the Dirichlet that shares them out.
      "normalise_pixels": True,  # A patch's pixels are standardised, as in MAE.
    },
    model={
      **{
        name: {
          "num_layers": num_layers,
          "width": width,
          "num_heads": num_heads,
          "mlp_width": 4 * width,
          **transformer,
        }
        for name, (num_layers, width, num_heads) in shapes.items()
      },
      "has_cross_attention": True,
      "shares_decoder": False,  # One decoder for all tasks, a layer for each.
    },
    schedule="cosine",
    b2=0.95,
    eps=1e-8,
    weight_decay=0.05,
  )


def _names(value: object) -> tuple[str, ...]:
  """What `outputs=` gave, as names."""
  if isinstance(value, str):
    return (value,)
  if not isinstance(value, list | tuple):
    raise InputError(f"outputs must be a name or several, got {value!r}")
  return tuple(value)


def _config(
  minimax_section: ConfigDict,
  *,
  data: dict[str, Any],
  tasks: dict[str, Any],
  model: dict[str, Any],
  **optimizer: Any,
) -> ConfigDict:
  """A whole config; what runs of all kinds share stands here."""
  return ConfigDict(
    {
      "seed": 0,
      "num_steps": 1_000_000,
      "batch_size": 256,  # Rows a step, over all hosts and tasks.
      "log_every": 100,
      "log_writer": "tensorboard",  # Or clu, which needs TensorFlow, or none.
      "data": {**data, "digest": ""},  # Fill in to insist on one dataset.
      "tasks": tasks,
      "model": model,
      "minimax": minimax_section,
      "optimizer": {
        "learning_rate": 1e-4,
        "warmup_steps": 10_000,
        "schedule": "linear",  # How the rate falls after the warm-up; cosine.
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
        **optimizer,
      },
      "mesh": {"data": -1, "fsdp": 1, "tensor": 1},  # See train/sharding.py.
      # How, and not what: no value depends on it but by rounding.
      "compute": {
        "accumulation": 1,  # Microbatches of a batch.
        "remat_saves": "nothing",  # With model.remat; or products.
        "attention": "xla",  # Or cudnn: NVIDIA GPUs, bfloat16.
      },
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
