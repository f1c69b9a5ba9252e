"""However a lab ends, it leaves no process, mount, namespace or file behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from doublehop import cache, holder
from doublehop.wait import until
from tests.lab import processes

pytestmark = pytest.mark.delegation


def _files(temporary):
    """What is in the holder's own temporary folder, and in the cache, which a lab only reads."""
    return {str(each) for each in [*temporary.iterdir(), *cache.folder().glob("*/*")]}


def _gone(family, spaces):
    """The kernel ends and reaps what the runner had started; that takes it a moment."""
    until("the end of every process", 20, lambda: True if not processes.alive(family) else None)
    until("the end of every namespace", 20, lambda: True if not processes.in_use(spaces) else None)


def _mounts():
    """What is mounted here; container engines come and go as they like."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [each for each in lines if not {"overlay", "nsfs"} & set(each.partition(" - ")[2].split())]


@pytest.fixture
def held(tmp_path):
    """A lab held by a process of its own, with all that it started."""
    name = f"victim-{os.getpid()}"
    before = _files(tmp_path), _mounts()
    # Whoever started the tests may ignore SIGINT, as a shell does for what it runs in the background.
    process = subprocess.Popen(["env", "--default-signal=INT", sys.executable, "-m", "doublehop", "hold",
                                "--name", name, "--lab", "local"],
                               stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert process.stdout
    assert any(line.strip() == holder.READY for line in process.stdout)
    family = processes.tree(process.pid)
    yield process, name, family, processes.namespaces(family), before
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_nothing_survives_a_runner_that_is_ended_by(held, end, tmp_path):
    process, name, family, spaces, (files, mounts) = held
    assert len(family) > 10
    assert len(spaces) > 15, "five machines and a switch have namespaces of their own"
    assert name in holder.running()

    process.send_signal(end)
    process.wait(20)

    _gone(family, spaces)
    assert name not in holder.running()
    assert _mounts() == mounts
    assert _files(tmp_path) - files == set()


def test_nothing_survives_down(held, doublehop, tmp_path):
    process, name, family, spaces, (files, _) = held
    done = doublehop("down", "--name", name)
    assert done.returncode == 0, done.stderr
    process.wait(20)
    _gone(family, spaces)
    assert _files(tmp_path) - files == set()
