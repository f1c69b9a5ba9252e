"""What the tests of the Windows scripts share: PowerShell's engine, and runs of scripts on model machines.

Without `pwsh` they are not run, and counted so by name (decision 2).
"""

import functools
import json
import os
import shutil
import subprocess

import pytest

from doublehop.data import FIXTURES, LAB
from tests.windows import facts

MISSING = "pwsh missing"
SECONDS = 180
RELEASE = "server2022"
SECRETS = {"administrator": "Adm-1-secret", "dsrm": "Dsrm-1-secret", "sql_service": "Sql-1-secret"}
MACHINES = ("dc1", "web1", "sql1", "client1")
WORLD = {"role": 2, "address": "10.93.0.21", "files": {}, "events": []}
"""A web server, with nothing of the lab's yet."""
SERVER, CLIENT = 3, 1
"""DomainRole of a machine in no domain is one less than a member's."""


@functools.cache
def engine():
    """The program, or nothing."""
    return shutil.which("pwsh")


@pytest.fixture
def pwsh(not_run):
    """Run `pwsh`; gives what it did."""
    if engine() is None:
        not_run(MISSING)

    def run(*arguments, stdin="", **options):
        # .NET would write its own languages and diagnostics otherwise.
        return subprocess.run(
            [engine(), "-NoProfile", *map(str, arguments)], input=stdin, capture_output=True, text=True,
            timeout=SECONDS, check=False, env={**os.environ, "DOTNET_EnableDiagnostics": "0"}, **options)

    return run


@pytest.fixture
def on_machines(pwsh, tmp_path):
    """Run scripts on model machines: jobs in, results by the job's name out. See harness.ps1."""

    def run(*jobs, release=RELEASE, rows=None, scripts=LAB / "windows"):
        plan = {"facts": facts.published(), "jobs": jobs}
        (tmp_path / "stubs.psm1").write_text(facts.stubs(release, rows))
        (tmp_path / "plan.json").write_text(json.dumps(plan))
        done = pwsh("-File", facts.HERE / "harness.ps1", "-Stubs", tmp_path / "stubs.psm1", "-PlanPath",
                    tmp_path / "plan.json", "-ResultPath", tmp_path / "result.json", "-Scripts", scripts)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((tmp_path / "result.json").read_text())

    return run


@pytest.fixture(scope="session")
def machines():
    """The generated file of all machines, and each machine's entry in it by name."""
    document = json.loads((LAB / "vagrant" / "machines.json").read_text())
    return document, {each["name"]: each for each in document["machines"]}


def certificates(name):
    """What the lab's authority signed for a machine; nobody has the keys."""
    folder = facts.FACTS / "certificates"
    return {"authority": (folder / "authority.pem").read_text(), "machine": (folder / f"{name}.pem").read_text()}


@pytest.fixture(scope="session")
def provisioning(machines):
    """A job that provisions a machine from its box on."""
    topology, known = machines

    def job(name, **more):
        return {
            "name": name, "script": "provision", "certificates": certificates(name),
            "document": {"topology": topology, "machine": name, "secrets": SECRETS, "certificates": {}},
            "world": {"role": CLIENT - 1 if known[name]["role"] == "client" else SERVER - 1,
                      "address": known[name]["address"], "web": facts.WEB, "files": {}, "events": [],
                      "guard": known[name]["role"] == "client"},
            **more,
        }

    return job


# What `klist` says of a user who has asked for a page.
KLIST = """
Current LogonId is 0:0x3e4c5

Cached Tickets: (2)

#0>     Client: lab-alice @ DOUBLEHOP.TEST
        Server: krbtgt/DOUBLEHOP.TEST @ DOUBLEHOP.TEST
        KerbTicket Encryption Type: AES-256-CTS-HMAC-SHA1-96
        Ticket Flags 0x60a10000 -> forwardable forwarded renewable pre_authent name_canonicalize
        Session Key Type: AES-256-CTS-HMAC-SHA1-96
        Cache Flags: 0x2 -> DELEGATION
        Kdc Called: dc1.doublehop.test

#1>     Client: lab-alice @ DOUBLEHOP.TEST
        Server: HTTP/localhost @ DOUBLEHOP.TEST
        KerbTicket Encryption Type: AES-256-CTS-HMAC-SHA1-96
        Ticket Flags 0x40a50000 -> forwardable renewable pre_authent ok_as_delegate name_canonicalize
        Session Key Type: AES-128-CTS-HMAC-SHA1-96
        Cache Flags: 0
        Kdc Called: dc1.doublehop.test
"""
GOLDEN = FIXTURES / "golden" / "windows"


def golden(name, text):
    """Compare with a golden file; DOUBLEHOP_WRITE_GOLDEN=1 writes it, for somebody to read the difference."""
    path = GOLDEN / name
    if os.environ.get("DOUBLEHOP_WRITE_GOLDEN") == "1":
        path.write_text(text)
    assert text == path.read_text()


def calls(log):
    """What a run did to its machine: a line for each call that changed something, with its arguments.

    A secret goes by its name in the document, and a text of several lines by their number: the file is in the state.
    """
    lines = "".join(f"{_call(each)}\n" for each in log if each["changed"])
    for label, secret in SECRETS.items():
        lines = lines.replace(secret, f"<{label}>")
    return lines


def _call(each):
    given = each["arguments"]
    if isinstance(given, list):
        return " ".join([each["command"], *given])
    return " ".join([each["command"], *(f"-{name} {_word(value)}" for name, value in given.items())])


def _word(value):
    if isinstance(value, list):
        return ", ".join(map(_word, value))
    if isinstance(value, dict):
        return "@{" + "; ".join(f"{key} = {_word(each)}" for key, each in value.items()) + "}"
    return f"<{len(value.splitlines())} lines>" if "\n" in str(value) else str(value) or "''"
