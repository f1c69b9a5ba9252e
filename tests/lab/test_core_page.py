"""Classes of the page of ASP.NET Core by themselves, in a program of the tests that is built around its sources."""

import base64
import os
import shutil
import struct
from pathlib import Path

import pytest

from doublehop import dotnet
from doublehop.data import LAB
from doublehop.run import run
from tests.lab import pages, tokens

SOURCE = Path(__file__).parent / "core"
SECONDS = 240


@pytest.fixture(scope="module")
def say(tmp_path_factory, not_run):
    """Lines in, lines out."""
    if dotnet.runtime() is None:
        not_run("dotnet missing")
    folder = shutil.copytree(SOURCE, tmp_path_factory.mktemp("core") / "core")
    environment = {**os.environ, "DOTNET_CLI_TELEMETRY_OPTOUT": "1", "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
    run([dotnet.has().program, "build", "--nologo", "--output", str(folder / "out"), *dotnet.STAYS_NOWHERE,
         f"-property:PAGE={LAB / 'aspnet' / 'core'}", str(folder / "core.csproj")],
        timeout=SECONDS, env=environment).check()

    def say(*lines, **variables):
        done = run([str(dotnet.has().root / "dotnet"), str(folder / "out" / "core.dll")], timeout=SECONDS,
                   stdin="\n".join(lines) + "\n", env=environment | variables)
        return done.check().stdout.splitlines()

    return say


def coded(content):
    return base64.b64encode(content).decode()


def test_a_token_tells_its_mechanism_and_its_scheme(say):
    """As the other page takes it."""
    assert say(*(f"token {coded(each)}" for each in tokens.TOLD)) == [*tokens.TOLD.values()]


def test_a_built_in_account_is_the_computer_or_nobody_on_the_network(say):
    told = say(*(f"name {coded(each.encode())}" for each in pages.AS_OTHERS_SEE_THEM))
    assert [each.lower() for each in told] == [*pages.AS_OTHERS_SEE_THEM.values()]


def entry(realm, *components):
    """An entry of a keytab, as MIT writes it (The keytab binary format), with a key of no use."""
    parts = b"".join(struct.pack(">H", len(each)) + each.encode() for each in (realm, *components))
    content = struct.pack(">H", len(components)) + parts + struct.pack(">IIBHH", 1, 0, 2, 18, 0)
    return struct.pack(">i", len(content)) + content


VERSION = b"\x05\x02"
HOLE = struct.pack(">i", -6) + b"\xff" * 6
"""Where an entry was removed."""


@pytest.mark.parametrize(("entries", "holder"), [
    pytest.param(entry("LAB.TEST", "lab-pool"), "lab-pool", id="an account"),
    pytest.param(entry("LAB.TEST", "HTTP", "web1.lab.test"), "HTTP/web1.lab.test", id="a service"),
    pytest.param(HOLE + entry("LAB.TEST", "WEB1$") + entry("LAB.TEST", "other"), "WEB1$", id="behind a hole"),
    pytest.param(b"", "", id="nobody"), pytest.param(HOLE, "", id="a hole alone"),
])
def test_a_process_is_whose_keytab_it_has(say, entries, holder):
    file = coded(VERSION + entries)
    assert say(f"keytab {file}") == [holder]


def test_what_asking_takes_is_loaded_before_anybody_asks(say, not_run):
    if pages.icu_missing():
        not_run(pages.ICU_MISSING)
    assert say("load", **pages.WITH_LANGUAGES) == ["Microsoft.Data.SqlClient System.Net.Http"]
