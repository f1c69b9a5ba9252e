"""The sh script on machines that lack something, and the provider where the kernel forbids what it needs."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bin" / "doublehop"
NAMES = ("env", "sh", "cat", "cksum", "dirname", "pwd", "mmdebstrap", "ip", "newuidmap", "nsenter", "python3")
FOLDERS = ("/usr/bin", "/bin", "/usr/sbin")


@pytest.fixture
def machine(tmp_path):
    """A machine without bubblewrap: a folder with just the programs it has, and a log of what apt-get was asked."""
    programs = tmp_path / "bin"
    programs.mkdir()
    log = tmp_path / "apt.log"
    for name in NAMES:
        (programs / name).symlink_to(next(found for folder in FOLDERS if (found := Path(folder) / name).exists()))

    def have(name, text):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)

    def run():
        # The script adds the system folders for `ip`; on this machine bubblewrap is in none of those.
        return subprocess.run([SCRIPT, "--version"], env={"PATH": str(programs), "HOME": os.environ["HOME"]},
                              capture_output=True, text=True, timeout=60, check=False)

    have("apt-get", f'echo "$@" >>{log}')
    return have, run, log


def test_an_ordinary_user_without_sudo_is_told_the_exact_command(machine):
    have, run, log = machine
    have("id", "echo 1000")
    done = run()
    assert done.returncode == 2
    assert "As root, run:  apt-get update && apt-get install --yes --no-install-recommends bubblewrap" in done.stderr
    assert not log.exists(), "nothing was installed"


def test_an_ordinary_user_with_sudo_gets_what_is_missing(machine):
    have, run, log = machine
    have("id", "echo 1000")
    have("sudo", '[ "$1" = -n ] && exit 0; exec "$@"')
    done = run()
    assert done.returncode == 0, done.stderr
    assert log.read_text().splitlines()[-1] == "install --yes --no-install-recommends bubblewrap"


def test_root_gets_what_is_missing_and_nothing_else(machine):
    have, run, log = machine
    have("id", "echo 0")
    done = run()
    assert done.returncode == 0, done.stderr
    assert log.read_text().splitlines() == [
        "update --quiet --quiet", "install --yes --no-install-recommends bubblewrap",
    ]


def test_nothing_is_installed_where_nothing_is_missing(machine):
    have, run, log = machine
    have("id", "echo 0")
    have("bwrap", "true")
    assert run().returncode == 0
    assert not log.exists()


def test_a_kernel_that_forbids_user_namespaces_gets_one_clear_sentence(doublehop):
    """The limit is set inside a user namespace of this test's own, so that nothing else on this host notices."""
    forbid = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh", str(ROOT / ".venv/bin/python"), "-m",
         "doublehop", "run", "constrained::listed"],
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    (sentence,) = [each for each in done.stderr.splitlines() if "user namespace" in each]
    assert "as root, run `sysctl -w" in sentence
