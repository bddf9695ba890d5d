"""Stands in for `gcloud`: records its calls and plays a script.

The script, world.json, holds `lives`, one a creation of the queued resource:
`{"refused": true}`, or `queue` (seconds), `then` (ACTIVE or FAILED) and `runs`,
one a start: `seconds`, then either `codes` of the workers or `gone` (the new
state, or NODE); `silent` looks at it fail in between. Where there is a folder
`workers`, its folders are the workers' homes, and bash executes the commands.
Little is imported: it is started hundreds of times.
"""

import fcntl
import json
import os
import sys

# From `gcloud compute tpus ... --help`, Google Cloud SDK 528.0.0.
SSH = """--dry-run --force-key-file-overwrite --internal-ip --plain
  --ssh-key-file --strict-host-key-checking --worker --zone
  --ssh-key-expiration --ssh-key-expire-after"""
LIST = "--zone --filter --limit --page-size --sort-by --uri"
LEGAL = {
  "queued-resources create": """--zone --runtime-version --accelerator-type
    --topology --type --node-id --node-count --node-prefix --async --data-disk
    --description --guaranteed --internal-ips --labels --metadata
    --metadata-from-file --network --range --reserved --scopes
    --service-account --shielded-secure-boot --spot --subnetwork --tags
    --valid-after-duration --valid-after-time --valid-until-duration
    --valid-until-time --reservation-host-folder
    --reservation-host-organization --reservation-host-project""",
  "queued-resources delete": "--zone --async --force",
  "queued-resources describe": "--zone",
  "queued-resources list": LIST,
  "tpu-vm list": LIST,
  "tpu-vm ssh": f"{SSH} --ssh-flag --command --output-directory",
  "tpu-vm scp": f"{SSH} --compress --recurse --scp-flag",
}
WIDE = "--project --quiet --format --verbosity --account"

FOLDER = os.environ["STAND_INS"]


def main(arguments):
  with open(f"{FOLDER}/calls.jsonl", "a") as file:
    file.write(json.dumps(["gcloud", *arguments]) + "\n")
  assert arguments[:2] == ["compute", "tpus"]
  command = " ".join(arguments[2:4])
  names, flags = [], {}
  for argument in arguments[4:]:
    if argument.startswith("--"):
      key, _, value = argument.partition("=")
      flags[key] = value
    else:
      names.append(argument)
  unknown = set(flags) - set(f"{LEGAL[command]} {WIDE}".split())
  if unknown or not {"--project", "--zone", "--quiet"} <= set(flags):
    with open(f"{FOLDER}/illegal", "w") as file:
      file.write(" ".join(arguments))
    return 2
  if "--worker" in flags and os.path.exists(f"{FOLDER}/workers"):
    return on_workers(names, flags)
  with open(f"{FOLDER}/world.json", "r+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    world = json.load(file)
    code = play(world, command, flags)
    file.seek(0)
    file.truncate()
    json.dump(world, file)
  return code


def on_workers(names, flags):
  """As gcloud does: at once, the code is the first that is not 0."""
  import pathlib
  import shutil
  import subprocess

  node, _, target = names[-1].partition(":")
  homes = sorted(pathlib.Path(FOLDER, "workers").glob(f"{node}-w*"))
  if flags["--worker"] == "0":
    homes = homes[:1]
  if target:
    for home in homes:
      shutil.copy(names[0], home / target)
    return 0
  running = [
    subprocess.Popen(
      ["bash", "-c", flags["--command"]],
      cwd=home,
      env={
        **os.environ,
        "HOME": str(home),
        "PATH": f"{FOLDER}/worker:{os.environ['PATH']}",
      },
    )
    for home in homes
  ]
  return next((p.returncode for p in running if p.wait()), 0)


def play(world, command, flags):
  with open(f"{FOLDER}/clock") as file:
    now = int(file.read())
  begin, end = world.get("outage", (0, 0))
  if begin <= now < end:
    return 1
  life = world.get("life")
  if life and life["state"] == "WAITING_FOR_RESOURCES" and now >= life["ready"]:
    life["state"] = life.get("then", "ACTIVE")
  if command == "queued-resources list":
    if life:
      print(life["state"])
  elif command == "tpu-vm list":
    for _ in range(0 if life.get("node_gone") else world.get("slices", 1)):
      print("READY")
  elif command == "queued-resources describe":
    print("the reason")
  elif command == "queued-resources create":
    assert life is None
    life = world["lives"].pop(0)
    if "refused" in life:
      print("ERROR: Quota exceeded", file=sys.stderr)
      return 1
    life = world["life"] = {"runs": [], **life}
    life["ready"] = now + life.get("queue", 0)
    life["state"] = "WAITING_FOR_RESOURCES" if life.get("queue") else "ACTIVE"
  elif command == "queued-resources delete":
    assert life
    assert "--force" in flags
    world["life"] = None
  else:
    if not life or life["state"] != "ACTIVE" or life.get("node_gone"):
      return 1
    if command == "tpu-vm ssh":
      return worker(world, life, flags["--command"].split(), now)
  return 0


def worker(world, life, words, now):
  if words[:2] != ["bash", "on_worker.sh"]:
    return 0
  if words[2] == "start":
    life["run"] = {"began": now, **life["runs"].pop(0)}
    world["step"] = life["run"].get("step", world.get("step", 0))
    return life["run"].get("start", 0)
  if words[2] == "step":
    print(world.get("step", 0))
  elif words[2] == "poll":
    run = life["run"]
    if now - run["began"] < run.get("seconds", 0):
      if now > run["began"] and run.get("silent"):
        run["silent"] -= 1
        return 255
      print(words[3], "host", "running")
    elif run.get("gone") == "NODE":
      life["node_gone"] = True
      return 1
    elif "gone" in run:
      life["state"] = run["gone"]
      return 1
    else:
      for code in run["codes"]:
        print(words[3], "host", code)
  elif words[2] == "stop":
    life["run"]["codes"] = [
      75 if code == "running" else code for code in life["run"]["codes"]
    ]
  return 0


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
