"""`python -m taskrobust_jax` lists every program with a line."""

from taskrobust_jax import __main__
from tests import programs


def test_every_program_is_listed(capsys):
  package = programs.ROOT / "taskrobust_jax"
  ends = 'if __name__ == "__main__":'
  found = {x.stem for x in package.glob("*.py") if ends in x.read_text()}
  found |= {x.parent.name for x in package.glob("*/__main__.py")}
  assert found - {"__main__"} == set(__main__.PROGRAMS)
  __main__.main()
  lines = capsys.readouterr().out.splitlines()
  told = [line.split(maxsplit=1) for line in lines if line.startswith("  ")]
  assert [name for name, _ in told] == list(__main__.PROGRAMS)
  assert all(0 < len(text) < 80 for _, text in told)
