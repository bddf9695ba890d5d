"""Lines of a study, of made numbers."""

from taskrobust_jax.report import evidence

TASKS = ("nouns", "verbs")


def pre_training(method, seed, nouns, verbs, purpose="comparison"):
  losses = dict(zip(TASKS, (nouns, verbs), strict=True))
  return evidence.PreTraining(
    setting="novels",
    purpose=purpose,
    method=method,
    arguments="strategy=uniform",
    seed=seed,
    steps=100,
    examples=3200.0,
    flops=1e9,
    seconds=10.0 if method == "uniform" else 12.0,
    screen={task: loss + 1 for task, loss in losses.items()},
    loss=losses,
    weights={"nouns": 0.25, "verbs": 0.75},
  )


def references():
  return [
    pre_training("single nouns", 0, 4.0, 9.0, evidence.REFERENCE),
    pre_training("single verbs", 0, 9.0, 2.0, evidence.REFERENCE),
  ]


def upstream(num_seeds=3):
  """The worst excess is 1 for averaging, .5 for the other method."""
  lines = references()
  for seed in range(num_seeds):
    shift = 0.01 * seed
    lines.append(pre_training("uniform", seed, 4.2, 3.0 + shift))
    lines.append(pre_training("mirror", seed, 4.5 + shift, 2.3))
  return lines


def scores(num_seeds=3, gain=0.1):
  """One task in which pre-training shows, and one in which it does not."""
  lines = []
  for seed in range(num_seeds):
    for tuned in range(2):
      for method, good in (
        ("uniform", 0.7),
        ("mirror", 0.7 + gain),
        (evidence.UNTRAINED, 0.5),
      ):
        for task, score in (("tagging", good), ("wnli", 0.5)):
          noise = 0.001 * ((7 * seed + 3 * tuned) % 5)
          lines.append(
            evidence.Downstream(
              setting="novels",
              purpose="comparison",
              method=method,
              pretrained=seed,
              mode="frozen",
              task=task,
              num_examples=64,
              seed=tuned,
              score_name="accuracy",
              score=score + noise,
              select_score=score + noise,
              num_steps=5,
              num_train_rows=64,
              num_eval_rows=50,
              model_flops=1e6,
              seconds=1.0,
            )
          )
  return lines
