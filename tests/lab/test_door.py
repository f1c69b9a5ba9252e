"""The way into a machine of `compose.yaml`: a socket over which whoever enters hands his own streams."""

import json
import signal
import socket
import subprocess
import sys

import pytest

from doublehop.wait import until

PROGRAM = """
import sys
from pathlib import Path
from doublehop.machine import door
word, name, *command = sys.argv[2:]
sys.exit(door.keep(name, Path(sys.argv[1])) if word == "keep" else door.enter(name, command, Path(sys.argv[1])))
"""


@pytest.fixture
def door(tmp_path):
    """A door that is kept in a process of its own, and how to enter it."""
    def argv(*words):
        return [sys.executable, "-c", PROGRAM, str(tmp_path), *words]

    keeper = subprocess.Popen(argv("keep", "web1"))
    until("the door", 20, lambda: (tmp_path / "web1.sock").exists() or None)
    yield lambda *command, **options: subprocess.run(argv("enter", "web1", *command), capture_output=True, text=True,
                                                     timeout=60, check=False, **options)
    keeper.send_signal(signal.SIGTERM)
    assert keeper.wait(10) == 0


def test_a_program_has_the_streams_and_the_exit_code_of_whoever_enters(door):
    done = door("sh", "-c", "cat; echo seen >&2; exit 7", input="words with 'quotes'\n")
    assert (done.stdout, done.stderr, done.returncode) == ("words with 'quotes'\n", "seen\n", 7)


def test_a_killed_program_is_told_as_a_shell_tells_it(door):
    assert door("sh", "-c", "kill -9 $$").returncode == 137


def test_a_program_that_is_not_there_is_named(door):
    done = door("no-such-program")
    assert done.returncode == 1
    assert "no-such-program" in done.stderr


def test_several_enter_at_once(door, tmp_path):
    first = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path), "enter", "web1", "cat"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdin and first.stdout
    assert door("echo", "beside").stdout == "beside\n"
    first.stdin.write("still there\n")
    first.stdin.close()
    assert first.stdout.read() == "still there\n"
    assert first.wait(10) == 0
    first.stdout.close()


def test_a_visitor_without_streams_does_no_harm(door, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as visitor:
        visitor.connect(str(tmp_path / "web1.sock"))
        visitor.send(json.dumps(["touch", str(tmp_path / "touched")]).encode())
        assert visitor.recv(10) == b""
    assert door("echo", "well").stdout == "well\n"
    assert not (tmp_path / "touched").exists()


def test_only_its_owner_may_enter(door, tmp_path):
    assert (tmp_path / "web1.sock").stat().st_mode & 0o777 == 0o600
