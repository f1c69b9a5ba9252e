"""The guard of conftest.py: what a unit test must not be able to do."""

import os
import socket
import subprocess
import sys

import pytest

REFUSED = pytest.raises(AssertionError, match="no process and opens no connection")


def test_a_unit_test_opens_no_connection():
    with REFUSED:
        socket.create_connection(("127.0.0.1", 1))


def test_a_unit_test_listens_nowhere():
    with REFUSED, socket.socket(socket.AF_UNIX) as one:
        one.bind("\0doublehop-unit")


def test_a_unit_test_starts_no_program():
    with REFUSED:
        subprocess.run([sys.executable, "--version"], check=True)


@pytest.mark.parametrize("name", ["fork", "system"])
def test_a_unit_test_makes_no_process(name):
    with REFUSED:
        getattr(os, name)()
