"""What the scripts send to workers, executed by bash in a folder a worker."""

import subprocess
import time

import pytest

from tests.launch.cloud import Cloud, write_script

# In place of launch/install.sh: a program that logs, and ends as it is told.
INSTALL = """cd "$(dirname "$0")/.."
echo "$PYTHON $EXTRA" >>~/installed
mkdir -p .venv/bin
cat >.venv/bin/python <<'PROGRAM'
#!/bin/bash
echo "ran $* in $PWD"
trap 'exit 75' TERM
[[ ! -f ~/waits ]] || while true; do /bin/sleep 0.05; done
exit "$(cat ~/code)"
PROGRAM
chmod +x .venv/bin/python
"""
ON_WORKER = {
  "hostname": 'basename "$HOME"',
  "findmnt": 'cat "$HOME/mounted" 2>/dev/null',
  "sudo": 'echo "sudo $*" >>"$HOME/did"',
  "gcsfuse": 'echo "gcsfuse $*" >>"$HOME/did"\necho a-bucket >"$HOME/mounted"',
  "python3": 'echo "python3 $*" >>"$HOME/did"\n'
  "[[ $1 != -c ]] || exit 1\n[[ $4 != find ]] || echo /its/python3.12",
  "sleep": "exec /bin/sleep 0.2",
}


@pytest.fixture
def pod(tmp_path):
  cloud = Cloud(tmp_path)
  bucket = tmp_path / "bucket"
  cloud.set(
    NUM_SLICES=2,
    MOUNT=bucket,
    DATA_DIR=bucket / "data",
    WORKDIR=bucket / "runs/a_run",
  )
  write_script(cloud.checkout / "launch/install.sh", INSTALL)
  cloud.commit()
  cloud.play(life={"state": "ACTIVE"}, slices=2)
  for name, text in ON_WORKER.items():
    write_script(tmp_path / "worker" / name, text)
  # Looks at the workers take a moment.
  write_script(tmp_path / "bin/sleep", "exec /bin/sleep 0.2")
  cloud.homes = [
    tmp_path / "workers" / f"tpu-{node}-w{worker}"
    for node in range(2)
    for worker in range(2)
  ]
  for home in cloud.homes:
    home.mkdir(parents=True)
    (home / "code").write_text("0")
  cloud.logs = bucket / "logs/a_run"
  assert cloud.run("setup_tpu")[0] == 0
  return cloud


def ran(home):
  """The logs of what ran, one a start."""
  return [file.read_text() for file in sorted(home.glob("jobs/*/log"))]


def test_setup_twice(pod):
  (pod.homes[0] / "taskrobust_jax/old.py").write_text("")
  assert pod.run("setup_tpu")[0] == 0
  assert not (pod.homes[0] / "taskrobust_jax/old.py").exists()
  for home in pod.homes:
    did = (home / "did").read_text()
    assert did.count("gcsfuse --implicit-dirs") == 1
    assert did.count(f"sudo mkdir -p {pod.folder / 'bucket'}") == 1
    for flag in (
      "--metadata-cache-ttl-secs=0",
      "--metadata-cache-negative-ttl-secs=0",
      "--enable-streaming-writes=false",
    ):
      assert flag in did
    assert "python3 -m uv python install" in did
    installed = (home / "installed").read_text().splitlines()
    assert installed == ["/its/python3.12 tpu"] * 2


@pytest.mark.parametrize(
  ("codes", "expected"), [("0000", 0), ("0020", 2), ("0001", 1)]
)
def test_codes_and_logs_reach_this_end_and_the_bucket(pod, codes, expected):
  for home, code in zip(pod.homes, codes):
    (home / "code").write_text(code)
  code, out, _ = pod.run("run_tpu")
  assert code == expected
  for home, its_code in zip(pod.homes, codes):
    (log,) = pod.logs.glob(f"a_run-*-{home.name}.log")
    text = log.read_text()
    assert "ran -m taskrobust_jax.pretrain --pod=auto" in text
    assert "--config.name=it's" in text
    assert f"in {home}/taskrobust_jax" in text
    assert log.with_suffix(".code").read_text() == f"{its_code}\n"
    shown = f"--- {home.name}: the end of its log" in out
    assert shown == (its_code != "0")


def test_data_are_prepared_on_one_worker(pod):
  assert pod.run("prepare_data")[0] == 0
  assert [len(ran(home)) for home in pod.homes] == [1, 0, 0, 0]
  assert "ran -m taskrobust_jax.prepare --config=" in ran(pod.homes[0])[0]


def test_what_is_alive_is_stopped_before_a_start(pod):
  for home in pod.homes:
    (home / "waits").touch()
  first = pod.start("run_tpu")
  while not all(ran(home) and ran(home)[0] for home in pod.homes):
    assert first.poll() is None
    time.sleep(0.05)
  for home in pod.homes:
    (home / "waits").unlink()
  write_script(pod.folder / "bin/date", "exec /bin/date -u -d @1800000000 $2")
  code, out, _ = pod.run("run_tpu")
  assert code == 0
  assert out.count("a program is alive and is stopped") == 4
  first.communicate(timeout=20)
  assert first.returncode == 75


def on_worker(pod, *words):
  home = pod.homes[0]
  return subprocess.run(
    ["bash", "on_worker.sh", *words],
    cwd=home,
    env={
      **pod.environment,
      "HOME": str(home),
      "PATH": f"{pod.folder}/worker:{pod.environment['PATH']}",
    },
    capture_output=True,
    text=True,
    check=True,
  ).stdout


def test_a_start_that_is_given_again_starts_once(pod):
  for _ in range(3):
    on_worker(pod, "start", "id", str(pod.logs), "taskrobust_jax.pretrain")
  while "running" in on_worker(pod, "poll", "id"):
    pass
  assert on_worker(pod, "poll", "id") == f"id {pod.homes[0].name} 0\n"
  assert ran(pod.homes[0])[0].count("ran ") == 1


def test_a_run_that_left_no_code_is_lost(pod):
  assert on_worker(pod, "poll", "none").split()[2] == "lost"


def test_what_status_shows(pod):
  run = pod.folder / "bucket/runs/a_run"
  for step in (5, 100, 20):
    (run / f"checkpoints/{step}").mkdir(parents=True)
  (run / "checkpoints/200.tmp").mkdir()
  (run / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n')
  assert on_worker(pod, "step", str(run)) == "100\n"
  code, out, _ = pod.run("status_tpu")
  assert code == 0
  assert '{"step": 2}' in out
  assert '{"step": 1}' not in out
  for home in pod.homes:
    assert f"{home.name}: 0 alive" in out


def test_the_extra_is_installed_and_kept_in_the_fingerprint(tmp_path):
  cloud = Cloud(tmp_path)
  (cloud.checkout / "requirements.txt").write_text("jax==1\n")
  (cloud.checkout / "pyproject.toml").write_text('tpu = ["jax[tpu]"]\n')
  write_script(
    cloud.checkout / ".venv/bin/python", 'echo "$*" >>did; echo Python 3.12'
  )
  did = cloud.checkout / "did"
  for extra, expected in (("tpu", 1), ("tpu", 1), ("", 2), ("", 2)):
    assert cloud.run("install", EXTRA=extra)[0] == 0
    lines = [x for x in did.read_text().splitlines() if " -e " in x]
    assert len(lines) == expected
    assert lines[-1].endswith(
      "-c requirements.txt -e ." + "[tpu]" * bool(extra)
    )
  code, _, err = cloud.run("install", EXTRA="tqu")
  assert code == 2
  assert "EXTRA=tqu is none of" in err
