"""Settings of every test: the CPU, as eight devices, whatever the machine has.

They stand in the environment before jax is imported, so that the programs which
tests start inherit them too.
"""

import os
import signal
import tempfile

# A shell that starts the tests in its background makes them ignore Ctrl-C, and
# so the programs that they interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
  signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
  "--xla_force_host_platform_device_count=8"
  # Tests compile much and compute little.
  " --xla_backend_optimization_level=0"
)

# One for all workers: what one has compiled or made is there for the others.
_SHARED = "TASKROBUST_TESTS_FOLDER"
if _SHARED not in os.environ:
  _folder = tempfile.TemporaryDirectory()
  os.environ[_SHARED] = _folder.name
