"""A checkout with launch/ in it and stand-ins for gcloud, sleep and date."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
SETTINGS = {
  "PROJECT": "a-project",
  "ZONE": "a-zone",
  "TPU_NAME": "tpu",
  "ACCELERATOR_TYPE": "v4-32",
  "RUNTIME_VERSION": "tpu-ubuntu2204-base",
  "NUM_SLICES": 1,
  "PROVISIONING": "spot",
  "BUCKET": "a-bucket",
  "MOUNT": "/mnt/bucket",
  "RUN_NAME": "a_run",
  "CONFIG": "configs/x.py",
  "DATA_DIR": "/mnt/bucket/data",
  "WORKDIR": "/mnt/bucket/runs/a_run",
  "FLAGS": '(--config.model.width=8 --config.name="it\'s")',
  "POLL": 4 * 3600,  # A look costs 0.1 s of CPU.
  "MAX_WAIT": 9999999,
  "BACKOFF_FIRST": 60,
  "BACKOFF_CAP": 1800,
  "LONG_RUN": 3600,
  "RETRIES": 3,
}
STAND_INS = {
  "gcloud": f"exec {sys.executable} -IS {__file__.replace('cloud.py', '')}"
  'stand_in_gcloud.py "$@"',
  # With HOLD it blocks, for tests that interrupt.
  "sleep": '[ -z "$HOLD" ] || exec /bin/sleep "$HOLD"\n'
  "read -r now <$STAND_INS/clock\necho $((now + $1)) >$STAND_INS/clock\n"
  "echo $1 >>$STAND_INS/sleeps",
  "date": "read -r now <$STAND_INS/clock\n"
  '[ "$2" != +%s ] || { echo "$now"; exit; }\nexec /bin/date -u -d @$now "$2"',
}


def write_script(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(f"#!/bin/bash\n{text}\n")
  path.chmod(0o755)


class Cloud:
  def __init__(self, folder, **settings):
    self.folder = folder
    self.checkout = folder / "checkout"
    shutil.copytree(ROOT / "launch", self.checkout / "launch")
    (self.checkout / ".gitignore").write_text("runs/\n")
    for name, text in STAND_INS.items():
      write_script(folder / "bin" / name, text)
    (folder / "clock").write_text("1700000000\n")
    self.set(**settings)
    self.play()
    self.environment = {
      **os.environ,
      "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
      "STAND_INS": str(folder),
      "ENV_FILE": str(folder / "env.sh"),
      "GIT_CONFIG_GLOBAL": "/dev/null",
    }

  def set(self, **settings):
    lines = {**SETTINGS, **settings}.items()
    (self.folder / "env.sh").write_text(
      "".join(f"{k}={v}\n" for k, v in lines if v is not None)
    )

  def play(self, *lives, **world):
    (self.folder / "world.json").write_text(
      json.dumps({"lives": lives, **world})
    )

  def commit(self):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
      subprocess.run(
        [*git, *words], cwd=self.checkout, env=self.environment, check=True
      )

  def start(self, script, *arguments, **environment):
    return subprocess.Popen(
      ["bash", f"launch/{script}.sh", *arguments],
      cwd=self.checkout,
      env={**self.environment, **environment},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )

  def run(self, script, *arguments, **environment):
    """(exit code, standard output, standard error)."""
    process = self.start(script, *arguments, **environment)
    out, err = process.communicate(timeout=120)
    illegal = self.folder / "illegal"
    assert not illegal.exists(), illegal.read_text()
    return process.returncode, out, err

  def calls(self):
    file = self.folder / "calls.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]

  def called(self):
    """The calls as `create`, `delete`, `ssh start`, ... without the looks."""
    names = []
    for call in self.calls():
      if call[4] == "ssh":
        text = next(x for x in call if x.startswith("--command="))
        names.append(f"ssh {text.rpartition('on_worker.sh ')[2].split()[0]}")
      else:
        names.append(call[4])
    return [n for n in names if n not in ("list", "describe", "ssh poll")]

  def sleeps(self):
    file = self.folder / "sleeps"
    return [int(x) for x in file.read_text().split()] if file.exists() else []

  def clock(self):
    return int((self.folder / "clock").read_text()) - 1700000000


def decisions(out):
  return [x.split("babysit: ")[1] for x in out.splitlines() if "babysit: " in x]
