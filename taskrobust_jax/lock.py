"""One process at a time works in a folder.

The lock is a file, `.lock`, that is created exclusively: that works on NFS and
on buckets mounted with gcsfuse, where `flock` knows only of its own host. It
says who made it. Its owner touches it every few seconds. Whether an owner on
this machine is alive is looked up at once, so that a restart after a kill is
never kept waiting; one elsewhere is dead when its lock stays untouched. That is
watched on our own clock, since the clocks of two hosts may differ.
"""

from collections.abc import Iterator
import contextlib
import fcntl
import json
import os
import pathlib
import secrets
import socket
import threading
import time
from typing import Any, NamedTuple

from taskrobust_jax.errors import InputError

LOCK = ".lock"
# Seconds between an owner's touches,
BEAT = 10.0
# and without one after which it is dead; NFS and gcsfuse may show a touch a
# minute late.
SILENCE = 120.0
# Seconds that a process may take to die, or to write its name into its lock.
GRACE = 2.0
_LARGEST = 4096


class Lock:
  """A lock that this process holds, from `held`."""

  def __init__(self, path: pathlib.Path, token: str):
    self._path, self._token = path, token
    self._pid = os.getpid()
    self._is_over = threading.Event()
    self._thread = threading.Thread(target=self._touch, daemon=True)
    self._thread.start()

  def check(self) -> None:
    """Returns if the lock is still ours; to be called before what must be so.

    Raises:
      OSError: If another process took it over, since this one was silent for
        longer than `SILENCE` (a stopped process, a frozen machine).
    """
    seen = _read(self._path)
    if seen is None or seen.owner.get("token") != self._token:
      now = f"{_name(seen.owner)} has it now" if seen else "it was removed"
      raise OSError(f"{self._path} is no longer this process's lock: {now}")

  def _touch(self):
    while not self._is_over.wait(BEAT):
      with contextlib.suppress(OSError):
        os.utime(self._path)

  def _release(self):
    if os.getpid() != self._pid:
      return  # A fork of the owner.
    self._is_over.set()
    self._thread.join(GRACE)  # A file system may hang.
    with contextlib.suppress(OSError):
      self.check()
      self._path.unlink()


@contextlib.contextmanager
def held(folder: str | os.PathLike[str]) -> Iterator[Lock]:
  """Holds a folder while the block runs.

  A lock whose owner is dead is taken over, and a line says so. For an owner
  that cannot be looked up (another host, another container) that takes up to
  `SILENCE` seconds; a sign of life ends the waiting.

  Args:
    folder: It must be there.

  Yields:
    The lock.

  Raises:
    InputError: If another process or thread holds the folder, or it cannot be
      written.
  """
  path = pathlib.Path(folder) / LOCK
  token = secrets.token_hex(8)
  try:
    while not _create(path, token):
      seen = _read(path)
      if seen is None:
        continue  # It was released meanwhile.
      if not _is_dead(path, seen):
        raise InputError(
          f"{folder} is in use by {_name(seen.owner)} {_age(seen.owner)}; wait "
          f"for it, end it, or choose another folder (lock: {path})"
        )
      if _remove(path, seen):
        print(
          f"takes over {folder} from {_name(seen.owner)}, which is dead",
          flush=True,
        )
  except OSError as error:
    raise InputError(f"{folder} cannot be written: {error}") from error
  lock = Lock(path, token)
  try:
    yield lock
  finally:
    lock._release()


def owner_of(folder: str | os.PathLike[str]) -> str:
  """Who holds a folder, in words; "" for nobody. Nothing is changed."""
  seen = _read(pathlib.Path(folder) / LOCK)
  if seen is None:
    return ""
  owner = seen.owner
  state = {True: "dead", False: "alive", None: "out of sight from here"}
  return f"{_name(owner)} ({state[_looked_up(owner)]}) {_age(owner)}"


def _create(path: pathlib.Path, token: str) -> bool:
  """Makes the file; False if there is one."""
  try:
    number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
  except FileExistsError:
    return False
  owner = {**_here(), "pid": os.getpid(), "started": _started(os.getpid())}
  content = json.dumps({**owner, "since": time.time(), "token": token})
  try:
    with open(number, "wb", buffering=0) as file:
      file.write(content.encode() + b"\n")
      os.fsync(number)
  except OSError:
    path.unlink(missing_ok=True)
    raise
  return True


class _Seen(NamedTuple):
  """A lock as it was found: its file's content, and its last touch."""

  text: bytes
  inode: int
  touched: int

  @property
  def owner(self) -> dict[str, Any]:
    """What the lock says; {} if it does not say who made it."""
    owner = None
    # A RecursionError is a file of brackets.
    with contextlib.suppress(ValueError, RecursionError):
      owner = json.loads(self.text)
    is_owner = isinstance(owner, dict) and type(owner.get("pid")) is int
    return owner if is_owner else {}


def _read(path: pathlib.Path) -> _Seen | None:
  """The lock; `None` if there is none."""
  try:
    # Opened, since then NFS asks its server.
    with path.open("rb") as file:
      status = os.fstat(file.fileno())
      text = file.read(_LARGEST)
  except FileNotFoundError:
    return None
  return _Seen(text, status.st_ino, status.st_mtime_ns)


def _is_dead(path: pathlib.Path, seen: _Seen) -> bool:
  """Whether a lock is nobody's any more; this may take a while."""
  owner, begun, is_told = seen.owner, time.monotonic(), False
  while True:
    is_dead = _looked_up(owner)
    is_elsewhere = bool(owner) and is_dead is None
    if is_dead:
      return True
    if time.monotonic() - begun > (SILENCE if is_elsewhere else GRACE):
      # Who has not written its name by now was killed before it could.
      return is_elsewhere or not owner
    if is_elsewhere and not is_told:
      is_told = True
      print(
        f"{path.parent} was taken by {_name(owner)} {_age(owner)}: waits up to "
        f"{SILENCE:.0f} s for a sign of life",
        flush=True,
      )
    time.sleep(0.05)
    now = _read(path)
    if now is None or now.text != seen.text:
      return True  # It is gone; who has taken it is asked next.
    if is_elsewhere and now.touched != seen.touched:
      return False


def _remove(path: pathlib.Path, seen: _Seen) -> bool:
  """Removes a dead owner's lock, unless another process was faster.

  Processes of one host queue for it. Two of two hosts that end their waiting
  within a moment could both take it: `Lock.check` tells the first.
  """
  try:
    number = os.open(path, os.O_RDONLY)
  except FileNotFoundError:
    return False
  try:
    with contextlib.suppress(OSError):  # A file system without it.
      fcntl.flock(number, fcntl.LOCK_EX)
    now = _read(path)
    # While the file is open no other one has its inode.
    if now is None or now.inode != os.fstat(number).st_ino:
      return False
    if now.text != seen.text or (not now.owner and now != seen):
      return False
    path.unlink()
    return True
  finally:
    os.close(number)


def _looked_up(owner: dict[str, Any]) -> bool | None:
  """Whether an owner is dead; `None` if it cannot be seen from here."""
  if not owner or any(owner.get(k) != v for k, v in _here().items()):
    return None
  pid = owner["pid"]
  try:
    os.kill(pid, 0)
  except (ProcessLookupError, OverflowError, ValueError):
    return True
  except PermissionError:
    pass  # Another user's.
  # A pid is used again: another process has another start time.
  return _started(pid) != owner.get("started")


def _here() -> dict[str, str]:
  """What must be equal for pids to mean the same processes."""
  here = {"host": socket.gethostname()}
  with contextlib.suppress(OSError):  # Linux only.
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
    here["boot"] = boot.strip()
    here["pids"] = os.readlink("/proc/self/ns/pid")
  return here


def _started(pid: int) -> str:
  """When a process started, "dead" for a zombie, "" where there is no /proc."""
  try:
    text = pathlib.Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
  except OSError:
    return ""
  # The second field is a name in brackets and may hold anything.
  fields = text.rpartition(")")[2].split()
  return "dead" if fields[0] in "ZX" else fields[19]


def _name(owner: dict[str, Any]) -> str:
  if not owner:
    return "a process without a name"
  return f"process {owner['pid']} on {str(owner.get('host'))[:80]}"


def _age(owner: dict[str, Any]) -> str:
  since = owner.get("since")
  if not isinstance(since, int | float):
    return "since an unknown time"
  seconds = max(0.0, time.time() - since)
  for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
    if seconds >= 2 * size:
      return f"for {seconds / size:.0f} {unit}"
  return f"for {seconds:.0f} s"
