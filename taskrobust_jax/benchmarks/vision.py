"""What a masked autoencoder's step costs: decoders, features, minimax.

  python -m taskrobust_jax.benchmarks.vision [--part=tiny --part=base ...]
    [--mae_code=FOLDER] [--out=FILE]

- tiny, base: K = 1..4 decoders beside one, for separate ("full") and shared
  ("light") ones, at tiny/96 and, K = 1 and 4, at base/224: measured growth over
  the growth of the FLOPs of all products (`floor`). Claim: at most 1.05. The
  step of the public MultiMAE, which runs its decoders one by one, grew
  1.24, 1.76, 2.0 times at K = 2, 3, 4 (tiny, one thread, measured elsewhere).
  Then HOG and edges as a share of a base step. Claim: at most 3 %.
- minimax: the minimax step beside plain averaging, six tasks. Claim: at most
  1.02.
- mae: MAE with a tiny encoder at 96 and 224 pixels, 8 rows a step, beside
  facebookresearch's MaskedAutoencoderViT in PyTorch. Claim: at most 0.9. FOLDER
  holds its models_mae.py; torch and timm must be importable. Without: left out.

Float32, one thread, CPU time. The file keeps the rows of other parts.
"""

from collections.abc import Callable, Sequence
import json
import pathlib
import types
from typing import Any

from absl import flags
import numpy as np

from taskrobust_jax import program
from taskrobust_jax.benchmarks import measure

PARTS = ("tiny", "base", "minimax", "mae")
OUTPUTS = ("rgb", "depth", "semseg", "normals")
ALL = ("rgb", "hog", "edges", "depth", "normals", "semseg")
NUM_ROWS_OF_MAE = 8
NUM_CLASSES = 133  # COCO's, as in MultiMAE.
PUBLIC_GROWTH = {2: 1.24, 3: 1.76, 4: 2.0}
# size: pixels, rows, visible patches of three modalities, Ks, rounds.
CASES = {
  "tiny": (96, 8, 18, (1, 2, 3, 4), 11),
  "base": (224, 2, 98, (1, 4), 3),
}


def main(out: str, parts: Sequence[str], mae_code: str | None) -> None:
  """Prints rows and writes them when a part is done."""
  measure.use_one_thread()
  rows = []
  if pathlib.Path(out).exists():
    rows = json.loads(pathlib.Path(out).read_text("utf-8"))["rows"]
  for part in parts:
    if part == "mae" and not mae_code:
      print("the public MAE left out: no --mae_code")
      continue
    found = {
      "tiny": lambda: decoders("tiny"),
      "base": lambda: decoders("base"),
      "minimax": overhead,
      "mae": lambda: public_mae(mae_code),
    }[part]()
    rows = [row for row in rows if row["part"] != part]
    rows += [{"part": part, **row} for row in found]
    measure.write(out, rows, public_growth=PUBLIC_GROWTH, threads=1)


def problem(
  size: str,
  pixels: int,
  num_rows: int,
  num_visible: int,
  inputs: Sequence[str] = ("rgb", "depth", "semseg"),
  outputs: Sequence[str] = OUTPUTS,
  **changes: Any,
):
  """(config, `models.Workload`) of random pictures.

  Args:
    size: A key of `models.multimae.SIZES`.
    pixels: Of a picture's side.
    num_rows: B.
    num_visible: V.
    inputs: Modalities that are shown.
    outputs: Modalities that are recovered.
    **changes: Of the config's section `model`.
  """
  from taskrobust_jax import configuring
  from taskrobust_jax.benchmarks import models
  from taskrobust_jax.train import suites

  config = configuring.masked_autoencoder(
    f"outputs={tuple(outputs)}",
    size=size,
    strategy="mirror_ascent",
    arguments={},
    inputs=tuple(inputs),
    outputs=tuple(outputs),
  )
  config.tasks.num_visible = num_visible
  for part in (config.model.encoder, config.model.decoder):
    part.dtype = "float32"
    part.unroll = size == "tiny"  # Base takes long to compile.
  config.model.update(changes)
  info = types.SimpleNamespace(
    height=pixels,
    width=pixels,
    modalities=("rgb", "depth", "normals", "semseg"),
    class_names=("",) * NUM_CLASSES,
  )
  init_params, suite = suites.make_suite(config, info)
  random = np.random.default_rng(0)
  shape = (num_rows, pixels, pixels)
  batch = {
    "rgb": random.integers(0, 256, (*shape, 3)).astype(np.uint8),
    "depth": random.uniform(1, 9, shape).astype(np.float32),
    "normals": random.normal(size=(*shape, 3)).astype(np.float32),
    "semseg": random.integers(0, NUM_CLASSES, shape).astype(np.int32),
  }
  batch |= {f"has_{name}": np.ones(num_rows, bool) for name in batch}
  return config, models.Workload(
    init_params,
    suite,
    models.on_devices(batch),
    num_rows,
    num_rows * (1 + num_visible),
    suite.num_patches,
  )


def floor(config, suite) -> float:
  """FLOPs of the products that an example needs, forward and backward.

  A product of [T, A] and [A, B] takes 2 T A B forward and twice that backward;
  the embeddings, whose input needs no gradient, once.
  """
  encoder, decoder = config.model.encoder, config.model.decoder
  values = lambda name: suite.modalities[name].num_values(suite.patch)
  num_patches, num_visible = suite.num_patches, suite.num_visible
  width, inner = encoder.width, decoder.width

  def stack(part, length):
    per_token = 4 * part.width**2 + 2 * part.width * part.mlp_width
    attention = 2 * length**2 * part.width
    return 2 * part.num_layers * (length * per_token + attention)

  embed = 2 * num_visible * width * sum(map(values, suite.inputs))
  context = num_visible + 1
  decode = 2 * context * width * inner + stack(decoder, num_patches)
  if config.model.has_cross_attention:
    own = 2 * inner**2 + 2 * inner * decoder.mlp_width
    decode += 2 * (num_patches * own + context * 2 * inner**2)
    decode += 4 * num_patches * context * inner
  heads = 2 * num_patches * inner * sum(map(values, suite.task_names))
  num_decoders = 1 if config.model.shares_decoder else len(suite.task_names)
  rest = stack(encoder, context) + num_decoders * decode + heads
  return 2 * embed + 3 * rest


def step_of(work) -> Callable[[], None]:
  """A function that runs one minimax step of a `models.Workload`."""
  from taskrobust_jax.benchmarks import models

  return models.compiled_step(*models.minimax_step(work.suite), work)[1]


def decoders(size: str) -> list[dict[str, Any]]:
  """Growth of the step with the number of decoders, and of its floor."""
  pixels, num_rows, num_visible, numbers, rounds = CASES[size]
  named, floors = {}, {}
  for shares_decoder in (False, True):
    for num_tasks in numbers:
      if num_tasks == 1 and shares_decoder:
        continue  # It is the full one.
      config, work = problem(
        size,
        pixels,
        num_rows,
        num_visible,
        outputs=OUTPUTS[:num_tasks],
        shares_decoder=shares_decoder,
      )
      name = ("light" if shares_decoder else "full", num_tasks)
      named[name] = step_of(work)
      floors[name] = floor(config, work.suite)
  warmup = 3 if size == "tiny" else 1
  seconds = measure.interleaved(list(named.values()), rounds, warmup)
  growth = np.median(seconds / seconds[:, :1], axis=0)
  print("size  pixels  decoders  K   floor    time   time / floor   one step")
  rows = []
  for i, (kind, num_tasks) in enumerate(named):
    growth_of_floor = floors[kind, num_tasks] / floors["full", 1]
    step = float(np.median(seconds[:, i]))
    rows.append(
      {
        "size": size,
        "pixels": pixels,
        "decoders": kind,
        "num_tasks": num_tasks,
        "floor": growth_of_floor,
        "time": float(growth[i]),
        "ratio": float(growth[i] / growth_of_floor),
        "seconds": step,
        "gflops_a_second": num_rows * floors[kind, num_tasks] / step / 1e9,
      }
    )
    print(
      f"{size:<5} {pixels:>6}  {kind:<8} {num_tasks:>2}  {growth_of_floor:6.3f}"
      f"  {growth[i]:6.3f}  {rows[-1]['ratio']:10.3f}  {1e3 * step:10.1f} ms",
      flush=True,
    )
  if size == "base":
    rows.append(features(pixels, num_rows, rows[0]["seconds"]))
  return rows


def features(pixels: int, num_rows: int, base_seconds: float) -> dict[str, Any]:
  """HOG and edges of the pictures of a step, as a share of it."""
  import jax

  from taskrobust_jax.tasks import image_features

  shape = (num_rows, pixels, pixels, 3)
  images = np.random.default_rng(0).random(shape, np.float32)
  both = jax.jit(lambda x: (image_features.hog(x), image_features.edges(x)))
  run = lambda: jax.block_until_ready(both(images))
  seconds = float(np.median(measure.interleaved([run], 21)))
  share = seconds / base_seconds
  print(f"HOG and edges: {share:.2%} of a base step", flush=True)
  return {
    "case": "HOG and edges / base step",
    "seconds": seconds,
    "base_seconds": base_seconds,
    "share": share,
  }


def overhead() -> list[dict[str, Any]]:
  """Ratios minimax / plain averaging with all six modalities."""
  from taskrobust_jax.benchmarks import minimax_overhead

  _, work = problem("tiny", 96, 8, 12, inputs=("rgb",), outputs=ALL)
  row = minimax_overhead.compare_steps(work, rounds=21)
  print(
    f"minimax / averaging, K = 6: {row['median']:.3f} ({row['low']:.3f}, "
    f"{row['high']:.3f}), FLOPs {row['flops']:.6f}",
    flush=True,
  )
  return [{"case": "minimax / averaging, tiny/96, K = 6", **row}]


def public_mae(folder: str) -> list[dict[str, Any]]:
  """Our step over that of the public MAE, with tiny encoder and decoder."""
  from taskrobust_jax.benchmarks import vision_torch

  rows = []
  for pixels, rounds in ((96, 21), (224, 7)):
    num_visible = (pixels // 16) ** 2 // 4
    _, work = mae_problem(pixels, NUM_ROWS_OF_MAE, num_visible)
    theirs = vision_torch.step_of(folder, pixels, NUM_ROWS_OF_MAE)
    ratio = measure.paired_ratio(step_of(work), theirs, rounds)
    print(
      f"ours / public MAE, tiny/{pixels}: {ratio.median:.3f} ({ratio.low:.3f}, "
      f"{ratio.high:.3f}), {NUM_ROWS_OF_MAE / ratio.seconds:.0f} images/s",
      flush=True,
    )
    rows.append(
      {"case": f"ours / public MAE, tiny/{pixels}", **ratio._asdict()}
    )
  return rows


def mae_problem(
  pixels: int,
  num_rows: int,
  num_visible: int,
  encoder_layers: int = 12,
  decoder_layers: int = 4,
):
  """`problem` of a plain MAE, as `vision_torch` makes it of the public one."""
  return problem(
    *("tiny", pixels, num_rows, num_visible, ("rgb",), ("rgb",)),
    has_cross_attention=False,
    encoder={"num_layers": encoder_layers},
    decoder={
      "num_layers": decoder_layers,
      "width": 192,
      "num_heads": 3,
      "mlp_width": 768,
    },
  )


if __name__ == "__main__":
  _OUT = flags.DEFINE_string("out", None, "Where the JSON goes.")
  _PART = flags.DEFINE_multi_enum("part", PARTS, PARTS, "What is measured.")
  _MAE_CODE = program.define_path("mae_code", "Has the public models_mae.py.")
  program.run(
    lambda: main(
      _OUT.value or measure.result_path("vision"), _PART.value, _MAE_CODE.value
    )
  )
