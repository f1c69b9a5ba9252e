"""However a lab ends, it leaves no process, mount, namespace or file behind."""

import signal
from pathlib import Path

import pytest

from doublehop import cache, holder
from doublehop.wait import until
from tests.lab import processes


def _files(temporary):
    """What is in the holder's own temporary folder, and in the cache, which a lab only reads."""
    return {str(each) for each in [*temporary.iterdir(), *cache.folder().glob("*/*")]}


def _gone(family):
    """The kernel ends and reaps what the runner had started; that takes it a moment."""
    until("the end of every process", 20, lambda: True if not processes.alive(family) else None)


ENGINES = ("/var/lib/docker", "/var/lib/containers")
"""Where container engines mount what they keep for containers, such as volumes in memory."""


def _mounts():
    """What is mounted here; container engines, and whoever makes an image meanwhile, come and go as they like."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {each for each in lines
            if not {"overlay", "nsfs"} & set(each.partition(" - ")[2].split()) and "/mmdebstrap." not in each
            and not each.split()[4].startswith(ENGINES)}


@pytest.fixture
def held(holding, tmp_path):
    """A lab held by a process of its own, with all that it started."""
    before = _files(tmp_path), _mounts()
    with holding("local", TMPDIR=str(tmp_path)) as (process, name):
        family = processes.tree(process.pid)
        spaces = processes.namespaces(family)
        yield process, name, family | processes.members(spaces), spaces, before


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_nothing_survives_a_runner_that_is_ended_by(held, end, tmp_path):
    process, name, family, spaces, (files, mounts) = held
    assert len(family) > 10
    assert len(spaces) > 15, "five machines and a switch have namespaces of their own"
    assert name in holder.running()

    process.send_signal(end)
    process.wait(20)

    _gone(family)
    assert name not in holder.running()
    assert _mounts() == mounts
    assert _files(tmp_path) - files == set()


def test_nothing_survives_down(held, doublehop, tmp_path):
    process, name, family, _, (files, _) = held
    done = doublehop("down", "--name", name)
    assert done.returncode == 0, done.stderr
    process.wait(20)
    _gone(family)
    assert _files(tmp_path) - files == set()
