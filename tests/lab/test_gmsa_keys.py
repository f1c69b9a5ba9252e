"""The keys of a gMSA, derived where they are used: published vectors, and a password as the directory keeps it."""

import json

import pytest

from doublehop.model import Principal

VECTORS = {  # RFC 3962, appendix B: iterations, password, salt, AES128 key, AES256 key
    "one iteration": (1, b"password", b"ATHENA.MIT.EDUraeburn", "42263c6e89f4fc28b8df68ee09799f15",
                      "fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161"),
    "1200 iterations": (1200, b"password", b"ATHENA.MIT.EDUraeburn", "4c01cd46d632d01e6dbe230a01ed642a",
                        "55a6ac740ad17b4846941051e1e8b0a7548d93b0ab30a8bc3ff16280382b8c2a"),
    "no ASCII": (50, bytes.fromhex("f09d849e"), b"EXAMPLE.COMpianist", "f149c1f2e154a73452d43e7fe62a56e5",
                 "4b6d9839f84406df1f09cc166db4b83c571848b784a3d6bdc346589a3e393f9e"),
}
DERIVE = """
import json, sys
from doublehop.machine.managed import aes_key
iterations, password, salt = json.load(sys.stdin)
print(*(aes_key(bytes.fromhex(password), bytes.fromhex(salt), size, iterations).hex() for size in (16, 32)))
"""
AS_UTF8 = """
import sys
from doublehop.machine.managed import as_utf8
print(as_utf8(bytes.fromhex(sys.stdin.read())).hex())
"""


@pytest.mark.parametrize(("iterations", "password", "salt", "aes128", "aes256"), VECTORS.values(), ids=VECTORS)
def test_keys_are_those_of_the_standard(lab, iterations, password, salt, aes128, aes256):
    wanted = json.dumps([iterations, password.hex(), salt.hex()])
    done = lab.machines["web1"].run("python3", "-c", DERIVE, stdin=wanted).check()
    assert done.stdout.split() == [aes128, aes256]


@pytest.mark.parametrize(("utf16", "utf8"), {
    "4100 e900": "41 c3a9", "34d8 1edd": "f09d849e", "34d8 4100": "efbfbd 41", "1edd 4100": "efbfbd 41",
    "4100 34d8": "41 efbfbd",
}.items())
def test_halves_of_characters_become_the_replacement_character(lab, utf16, utf8):
    done = lab.machines["web1"].run("python3", "-c", AS_UTF8, stdin=utf16).check()
    assert bytes.fromhex(done.stdout) == bytes.fromhex(utf8)


def test_another_machine_is_shown_no_password(directory):
    """A directory that showed it to everybody would make the scenarios of gMSAs show nothing."""
    directory.add(accounts={"pool": Principal(principals_allowed_to_retrieve_managed_password=("web1",))})
    found = directory.read("pool", "msDS-ManagedPassword", "msDS-ManagedPasswordInterval")
    assert found == {"msDS-ManagedPassword": [], "msDS-ManagedPasswordInterval": ["30"]}
