"""What the study runs, in which order: `small`, then stages A and B."""

from collections.abc import Sequence

from taskrobust_jax.study import grid

# Compared with averaging whatever else the screens find.
_COMPARED = (
  *(grid.WINNER.name, f"{grid.WINNER.name} by rows", grid.RAW.name),
  *(grid.BY_EXCESS.name, grid.BY_ASCENT.name),
)
# Whose learning rates are tried.
_TUNED = (
  (grid.NOVELS, grid.AVERAGING),
  (grid.NOVELS, grid.BY_ASCENT),
  (grid.TINY, grid.AVERAGING),
)
SEEDS = tuple(range(20, 30))  # Of comparisons; 10 to 14 were of an earlier one.
LAST_SEEDS = tuple(range(30, 35))  # Of the last one, after all choices.


def small() -> list[grid.Group]:
  """The headline rows."""
  return [
    grid.Group(
      grid.NOVELS, grid.COMPARISON, methods, SEEDS, ("frozen",), (64, 1_024)
    )
    for methods in ((grid.AVERAGING,), (grid.RAW, grid.BY_EXCESS))
  ]


def stage_a() -> list[grid.Group]:
  """All methods on both texts, then screens of one seed."""
  seeds = (0, 1, 2)
  groups = [
    grid.Group(setting, grid.SCREEN, methods, seeds, ("frozen",))
    for setting in (grid.NOVELS, grid.TREEBANK)
    # One of the fixed weightings is made of what the winner's runs found.
    for methods in (
      (grid.AVERAGING, grid.ORDINARY),
      (*grid.ADAPTIVE, grid.WINNER, grid.RAW),
      grid.FIXED,
    )
  ]
  groups.append(grid.Group(grid.NOVELS, grid.SCREEN, grid.SCREENS, seeds[:1]))
  groups += [
    grid.Group(setting, grid.SCREEN, methods, seeds[:1])
    for setting in grid.SPLITS
    for methods in (
      (grid.AVERAGING,),
      (grid.ADAPTIVE[0], grid.WINNER, grid.RAW),
    )
  ]
  groups += [
    grid.Group(setting, grid.SCREEN, (grid.AVERAGING, grid.RAW), seeds[:1])
    for setting in grid.QUANTILES
  ]
  groups += [
    grid.Group(setting, grid.SCREEN, methods, seeds)
    for setting in grid.LENGTHS
    for methods in (
      (grid.AVERAGING,),
      (grid.WINNER, grid.RAW),
      (grid.BY_ASCENT,),
    )
  ]
  groups += [
    grid.Group(setting, grid.PILOT, at_rates(method), (100,))
    for setting, method in _TUNED
  ]
  return groups


def at_rates(method: grid.Method) -> tuple[grid.Method, ...]:
  """It at the config's learning rate, then at `grid.RATES`."""
  flag = "--config.optimizer.learning_rate="
  return (
    method,
    *(
      method._replace(
        name=f"{method.name} at {rate:g}",
        flags=(*method.flags, f"{flag}{rate:g}"),
      )
      for rate in grid.RATES
    ),
  )


def stage_b(finalists: Sequence[str]) -> list[grid.Group]:
  """Finalists on fresh seeds, on larger models, and on pictures.

  Args:
    finalists: Names of methods, compared beside those that always are.
  """
  adaptive, fixed = (
    tuple(m for m in methods if m.name in (*finalists, *_COMPARED))
    for methods in (grid.ADAPTIVE + grid.SCREENS, grid.FIXED)
  )
  heads, whole = (("frozen",), (64, 1_024)), (("full",), grid.SIZES[:3])
  return [
    grid.Group(setting, grid.COMPARISON, methods, seeds, modes, sizes)
    for setting, seeds, modes, sizes, *chosen in (
      (grid.NOVELS, SEEDS, *heads, (grid.AVERAGING,), adaptive, fixed),
      (
        grid.FINE_TUNED,
        LAST_SEEDS,
        *whole,
        (grid.AVERAGING, grid.RAW),
        (grid.BY_EXCESS,),
      ),
      (grid.FINE_TUNED, LAST_SEEDS, (), (), grid.AVERAGED),
      (grid.BY_FREQUENCY, SEEDS[:3], (), (), (grid.AVERAGING,), (grid.RAW,)),
      (
        grid.TINY,
        SEEDS[:3],
        (),
        (),
        (grid.AVERAGING,),
        (grid.WINNER, grid.FROM_SMALL),
      ),
      (
        *(grid.TINY_SLOWER, SEEDS[:3], *heads),
        *(
          (grid.AVERAGING,),
          (grid.WINNER, grid.RAW, grid.BY_EXCESS, grid.FROM_SMALL),
        ),
      ),
      (
        grid.MINI,
        SEEDS[:3],
        *whole,
        (grid.AVERAGING, grid.RAW),
        (grid.FROM_SMALL,),
      ),
      (
        *(grid.SCENES, SEEDS[:3], ("frozen",), (256,)),
        *(
          (grid.AVERAGING,),
          (grid.WINNER, grid.RELATIVE, grid.LOG_RATIO),
          (grid.BY_ASCENT,),
        ),
      ),
    )
    for methods in chosen
  ]
