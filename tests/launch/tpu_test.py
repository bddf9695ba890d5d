import re
import shlex
import signal
import time

import pytest

from tests.launch.cloud import Cloud, decisions

HOUR = 3600
ACTIVE = {"state": "ACTIVE", "runs": [{"codes": [0, 0]}]}
SCRIPTS = (
  "create_tpu",
  "setup_tpu",
  "prepare_data",
  "run_tpu",
  "babysit_tpu",
  "status_tpu",
  "delete_tpu",
)


@pytest.fixture
def cloud(tmp_path):
  return Cloud(tmp_path)


def run(seconds=0, codes=(0, 0), **more):
  return {"seconds": seconds, "codes": list(codes), **more}


@pytest.mark.parametrize(
  ("script", "slices"),
  # The babysitter calls the first, second and fourth too.
  [*((name, 1) for name in SCRIPTS), ("babysit_tpu", 2), ("status_tpu", 2)],
)
def test_a_dry_run_calls_nothing_and_prints_what_a_run_calls(
  cloud, script, slices
):
  cloud.commit()
  cloud.set(NUM_SLICES=slices)
  life = {**ACTIVE, "runs": ACTIVE["runs"] * slices}  # One start a node.
  if script in ("create_tpu", "babysit_tpu"):
    cloud.play(life, slices=slices)
  else:
    cloud.play(life=life, slices=slices)
  code, out, err = cloud.run(script, "--dry-run")
  assert code == 0, err
  assert not cloud.calls()
  printed = [
    shlex.split(line) for line in out.splitlines() if line.startswith("gcloud ")
  ]
  code, out, err = cloud.run(script)
  assert code == 0, err
  assert sorted(printed) == sorted(cloud.calls())
  assert printed


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_the_header(cloud, script):
  code, out, _ = cloud.run(script, "--help", ENV_FILE="none")
  assert code == 0
  assert f"bash launch/{script}.sh [--dry-run]" in out
  assert "set -euo" not in out


@pytest.mark.parametrize("script", SCRIPTS)
def test_missing_settings_are_named(cloud, script):
  code, _, err = cloud.run(script, ENV_FILE="launch/none.sh")
  assert code == 2
  assert "launch/none.sh is missing: cp launch/env.example.sh" in err
  assert not cloud.calls()


def test_the_example_has_every_setting(cloud):
  example = str(cloud.checkout / "launch/env.example.sh")
  code, _, err = cloud.run("create_tpu", "--dry-run", ENV_FILE=example)
  assert code == 0, err


@pytest.mark.parametrize(
  ("name", "value", "says"),
  [
    ("ZONE", None, "does not set ZONE"),
    ("PROJECT", "", "does not set PROJECT"),
    ("DATA_DIR", "gs://a-bucket/data", "not gs:// addresses"),
    ("WORKDIR", "gs://a-bucket/run", "not gs:// addresses"),
    ("MOUNT", "gs://a-bucket", "not gs:// addresses"),
    ("BUCKET", "gs://a-bucket", "not gs:// addresses"),
    ("DATA_DIR", "/home/data", "must lie under MOUNT=/mnt/bucket"),
    ("WORKDIR", "/mnt/bucket/logs/a_run", "must not lie in each other"),
    ("WORKDIR", "/mnt/bucket/logs", "must not lie in each other"),
    ("NUM_SLICES", "0", "must be at least 1"),
    ("POLL", "soon", "POLL=soon is not a number"),
    ("TPU_NAME", "'a b'", "TPU_NAME=a b"),
    ("RUN_NAME", "a/b", "RUN_NAME=a/b"),
    ("PROVISIONING", "cheap", "none of spot, on-demand, reserved"),
  ],
)
def test_a_bad_setting_is_refused(cloud, name, value, says):
  cloud.set(**{name: value})
  code, _, err = cloud.run("create_tpu")
  assert code == 2
  assert says in err
  assert not cloud.calls()


@pytest.mark.parametrize(
  ("settings", "flags"),
  [
    ({}, ["--node-id=tpu", "--spot"]),
    ({"PROVISIONING": "on-demand"}, ["--node-id=tpu"]),
    ({"PROVISIONING": "reserved"}, ["--node-id=tpu", "--reserved"]),
    ({"NUM_SLICES": 3}, ["--node-count=3", "--node-prefix=tpu", "--spot"]),
  ],
)
def test_what_is_asked_for(cloud, settings, flags):
  cloud.set(**settings)
  cloud.play(ACTIVE, slices=settings.get("NUM_SLICES", 1))
  assert cloud.run("create_tpu")[0] == 0
  (call,) = [call for call in cloud.calls() if call[4] == "create"]
  assert call[6 : 6 + len(flags) + 1] == [*flags, "--accelerator-type=v4-32"]


def test_creating_waits_through_a_stock_out_and_says_each_state_once(cloud):
  cloud.play({"queue": 20 * HOUR})
  code, out, _ = cloud.run("create_tpu")
  assert code == 0
  assert re.findall(r"Z tpu: (\w+)", out) == [
    "NONE",
    "WAITING_FOR_RESOURCES",
    "ACTIVE",
  ]
  assert cloud.sleeps() == [4 * HOUR] * 5


def test_creating_leaves_an_active_one(cloud):
  cloud.play(life=ACTIVE)
  assert cloud.run("create_tpu")[0] == 0
  assert cloud.called() == []


@pytest.mark.parametrize(
  "life",
  [
    {"state": "SUSPENDED"},
    {"state": "FAILED"},
    {"state": "ACTIVE", "node_gone": True},
  ],
)
def test_creating_replaces_one_that_is_lost(cloud, life):
  cloud.play({}, life=life)
  code, out, _ = cloud.run("create_tpu")
  assert code == 0
  assert "tpu is deleted" in out
  assert cloud.called() == ["delete", "create"]


def test_creating_gives_up_in_time_and_leaves_it_in_the_queue(cloud):
  cloud.set(MAX_WAIT=5 * HOUR)
  cloud.play({"queue": 99 * HOUR})
  assert cloud.run("create_tpu")[0] == 75
  assert cloud.called() == ["create"]


@pytest.mark.parametrize("script", ["create_tpu", "babysit_tpu"])
def test_a_refused_quota_stops(cloud, script):
  cloud.commit()
  cloud.play(*[{"refused": True}] * 3)
  code, _, err = cloud.run(script)
  assert code == 2
  assert "Quota exceeded" in err
  assert "quota for v4-32 (spot) in a-zone" in err
  assert cloud.called() == ["create"] * 3


def test_an_outage_is_not_a_refusal(cloud):
  cloud.play({}, outage=(1700000000, 1700000000 + 9 * HOUR))
  assert cloud.run("create_tpu")[0] == 0
  assert cloud.called() == ["create"]


def test_deleting_twice(cloud):
  cloud.play(life=ACTIVE)
  assert [cloud.run("delete_tpu")[0] for _ in range(2)] == [0, 0]
  assert cloud.called() == ["delete"]


def test_what_is_not_committed_is_named(cloud):
  cloud.commit()
  (cloud.checkout / "new.py").write_text("")
  cloud.play(life=ACTIVE)
  code, _, err = cloud.run("setup_tpu")
  assert code == 0
  assert "not committed" in err
  assert "?? new.py" in err


@pytest.mark.parametrize(
  ("codes", "expected"),
  [
    ([0, 0, 0], 0),
    ([0, 2, 1], 2),
    ([1, 2, 0], 2),
    ([75, 1, 0], 1),
    ([0, 137, 75], 1),
    (["lost", 0, 0], 1),
    ([0, 75, 75], 75),
    ([75, 130, 75], 130),
    ([130, 75, 0], 130),
  ],
)
def test_the_exit_code_of_a_run(cloud, codes, expected):
  cloud.play(life={**ACTIVE, "runs": [run(codes=codes)]})
  assert cloud.run("run_tpu")[0] == expected


def test_a_fault_on_a_tpu_that_is_gone_is_a_preemption(cloud):
  # Some workers still answer that the others have gone.
  life = {**ACTIVE, "runs": [run(5 * HOUR, gone="SUSPENDING")]}
  cloud.play(life=life)
  code, out, _ = cloud.run("run_tpu")
  assert code == 75
  assert "tpu is SUSPENDING" in out


def test_a_lost_connection_does_not_end_a_run(cloud):
  cloud.play(life={**ACTIVE, "runs": [run(48 * HOUR, silent=9)]})
  code, out, _ = cloud.run("run_tpu")
  assert code == 0
  assert "not all workers answer, time 9" in out
  assert cloud.called() == ["ssh start"]


def test_workers_that_never_answer_again_are_given_up(cloud):
  cloud.play(life={**ACTIVE, "runs": [run(99 * HOUR, silent=99)]})
  assert cloud.run("run_tpu")[0] == 75


def test_workers_that_go_on_after_one_has_failed_are_stopped(cloud):
  cloud.play(life={**ACTIVE, "runs": [run(codes=[1, "running"])]})
  assert cloud.run("run_tpu")[0] == 1
  assert cloud.called() == ["ssh start", "ssh stop", "ssh log"]


def test_running_before_setup_is_refused(cloud):
  cloud.play(life={**ACTIVE, "runs": [run(start=127)]})
  code, _, err = cloud.run("run_tpu")
  assert code == 2
  assert "launch/setup_tpu.sh" in err


def test_a_week(cloud):
  cloud.commit()
  day = 24 * HOUR
  cloud.play(
    {"refused": True},  # A passing trouble.
    # A stock-out, a day of training, preempted.
    {"queue": 30 * HOUR, "runs": [run(20 * HOUR, gone="SUSPENDED")]},
    # Preempted at once.
    {"queue": 5 * HOUR, "runs": [run(gone="SUSPENDING")]},
    # Waits and fails.
    {"queue": 2 * HOUR, "then": "FAILED"},
    {
      "runs": [
        # ssh is lost for a while; then a worker fails, and again at once.
        run(day, [0, 1], silent=3, step=1000),
        run(0, [1, 75]),
        # A signal: saved.
        run(12 * HOUR, [75, 75]),
      ]
    },
    # A node is gone while the queued resource says ACTIVE.
    {"runs": [run(10 * HOUR, gone="NODE", step=4000)]},
    # The network of this end is down for half a day; a fault after progress.
    {
      "queue": HOUR,
      "runs": [run(3 * day, [134, 1], step=5000), run(day, [0, 0])],
    },
    outage=(1700000000 + 130 * HOUR, 1700000000 + 142 * HOUR),
  )
  code, out, err = cloud.run("babysit_tpu")
  assert code == 0, out + err
  assert decisions(out) == [
    "run ended with 75; begins again in 60 s",
    "run ended with 75; begins again in 120 s",
    "create ended with 75; begins again in 240 s",
    "run ended with 1; retry 1 of 3 in 60 s",
    "run ended with 1; retry 2 of 3 in 120 s",
    "run ended with 75; begins again in 60 s",
    "run ended with 75; begins again in 60 s",
    "run ended with 1; retry 1 of 3 in 60 s",
    "done; launch/delete_tpu.sh ends the TPU, which costs",
  ]
  waits = [60, 120, 240, 60, 120, 60, 60, 60]
  assert [x for x in cloud.sleeps() if x < HOUR] == waits
  started = ["scp", "ssh setup", "ssh start"]
  failed = [*started, "ssh log", "ssh step"]
  assert cloud.called() == [
    *["create", "create", *started, "delete"],
    *["create", *started, "delete"],
    *["create", "delete"],
    *["create", *failed, *failed, *started, "delete"],
    *["create", *started, "delete"],
    *["create", *failed, *started],
  ]
  assert "Google does not answer" in out
  assert cloud.clock() > 7 * day


def test_the_wait_is_capped(cloud):
  cloud.commit()
  cloud.set(BACKOFF_CAP=200)
  cloud.play(*[{"runs": [run(gone="SUSPENDED")]}] * 4, {"runs": [run()]})
  assert cloud.run("babysit_tpu")[0] == 0
  assert cloud.sleeps() == [60, 120, 200, 200]


def test_a_fault_that_comes_back_stops_the_babysitter(cloud):
  cloud.commit()
  # That it lasts long is no progress: the same step fails.
  cloud.play({"runs": [run(4 * HOUR, [1, 1], step=7)] * 4})
  code, out, _ = cloud.run("babysit_tpu")
  assert code == 1
  assert decisions(out)[-1] == "run ended with 1 after 3 retries; stops"
  assert cloud.called().count("ssh start") == 4


@pytest.mark.parametrize("code", [2, 130])
def test_what_stops_the_babysitter_at_once(cloud, code):
  cloud.commit()
  cloud.play({"runs": [run(codes=[code, 0])]})
  got, out, _ = cloud.run("babysit_tpu")
  assert got == code
  assert decisions(out) == [f"run ended with {code}; stops"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_babysitter_leaves_the_run(cloud, number):
  cloud.commit()
  cloud.play({"runs": [run(99 * HOUR)]})
  process = cloud.start("babysit_tpu", HOLD="30")
  while not any("poll" in " ".join(call) for call in cloud.calls()):
    assert process.poll() is None
    time.sleep(0.05)
  process.send_signal(number)
  out, _ = process.communicate(timeout=20)
  assert process.returncode == 130
  assert decisions(out) == ["interrupted; tpu and its run go on"]
  assert "delete" not in cloud.called()


def test_the_babysitter_keeps_the_code_it_began_with(cloud):
  cloud.commit()
  _, out, _ = cloud.run("babysit_tpu", "--dry-run", REVISION="abc")
  assert "git archive --format=tar.gz -o runs/taskrobust_jax.tar.gz abc" in out
