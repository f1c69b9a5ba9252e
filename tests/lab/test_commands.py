"""The command line against real labs."""

import json
import os
import re

import pytest

from doublehop import report, sources

MY_BUG = """
[my-bug]
from = "constrained::listed"
title = "My bug"
why = "A scenario that a user wrote."
sources = []
change.given.accounts.pool.allowed_to_delegate_to = []

[my-bug.expect]
spn = "HTTP/{portal}"
status = 200
scheme = "Kerberos"
user = "alice"
level = "Delegate"
sees.sql = "alice"
"""


@pytest.fixture(scope="module")
def standing(doublehop):
    """A standing lab in one scenario's configuration; gives its name."""
    name = f"test-{os.getpid()}"
    done = doublehop("up", "--name", name, "--scenario", "constrained::listed")
    assert done.returncode == 0, done.stderr
    (url,) = re.findall(r"http://\S+/whoami", done.stdout)
    yield name, url
    assert doublehop("down", "--name", name).returncode == 0


def test_a_standing_lab_has_a_fresh_ticket_for_its_user(standing, doublehop):
    listed = doublehop("exec", "--name", standing[0], "client1", "--", "klist")
    assert "krbtgt/DOUBLEHOP.TEST@DOUBLEHOP.TEST" in listed.stdout


def test_any_program_works_in_a_standing_lab(standing, doublehop):
    name, url = standing
    done = doublehop("exec", "--name", name, "client1", "--", "curl", "-s", "--negotiate", "-u", ":",
                     f"{url}?back_ends=sql")
    page = json.loads(done.stdout)
    assert page["scheme"] == "Kerberos"
    assert page["back_ends"]["sql"]["identity"] == page["user"]
    spn = "HTTP/" + url.split("/")[2]
    assert "kvno = " in doublehop("exec", "--name", name, "client1", "--", "kvno", spn).stdout


def test_exec_gives_the_programs_own_exit_code(standing, doublehop):
    assert doublehop("exec", "--name", standing[0], "dc1", "--", "sh", "-c", "exit 7").returncode == 7


def test_status_names_the_standing_lab(standing, doublehop):
    line = next(each for each in doublehop("status").stdout.splitlines() if each.startswith(standing[0]))
    assert "local" in line
    assert "constrained::listed" in line


def test_a_second_lab_of_one_name_is_refused(standing, doublehop):
    done = doublehop("up", "--name", standing[0])
    assert done.returncode == 2
    assert "is up already" in done.stderr


def test_two_labs_stand_side_by_side(standing, doublehop):
    other = f"{standing[0]}-other"
    assert doublehop("up", "--name", other).returncode == 0
    try:
        labs = (standing[0], other)
        addresses = [doublehop("exec", "--name", each, "dc1", "--", "hostname", "-I").stdout for each in labs]
        assert addresses == ["10.93.0.10 \n"] * 2
        found = [
            doublehop("exec", "--name", each, "client1", "--", "getent", "hosts", standing[1].split("/")[2]).returncode
            for each in labs
        ]
        assert found == [0, 2], "a name of one lab's scenario is unknown in the other"
    finally:
        assert doublehop("down", "--name", other).returncode == 0


def test_a_users_own_scenario_disagrees_and_says_why(doublehop, tmp_path):
    path = tmp_path / "my-bug.toml"
    path.write_text(MY_BUG)
    seen, junit = tmp_path / "seen.jsonl", tmp_path / "junit.xml"
    done = doublehop("run", str(path), "--report", str(seen), "--junit", str(junit))
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1] == "0 agreed, 1 disagreed, 0 broken, 0 not run"
    assert "back end sql: identity: expected alice, observed nothing" in done.stdout
    assert "likely cause:" in done.stdout
    assert "has no delegation right" in done.stdout
    assert [each.id for each in report.read(seen).lines] == ["my-bug::my-bug"]
    assert 'failures="1"' in junit.read_text()


@pytest.mark.parametrize(("arguments", "text"), [
    pytest.param(["run", "no::such"], "no::such: no scenario has this id", id="unknown id"),
    pytest.param(["run", "nowhere.toml"], "nowhere.toml: ", id="missing file"),
    pytest.param(["run", "--lab=cloud"], "--lab: expected one of", id="unknown provider"),
    pytest.param(["run", "--report", "/nowhere/a.jsonl"], "/nowhere/a.jsonl: its folder does not exist", id="bad path"),
    pytest.param(["explain", "no::such"], "no scenario has this id", id="explain unknown"),
    pytest.param(["exec", "--name", "nobody", "client1", "--", "true"], "no lab called 'nobody' is up", id="no lab"),
    pytest.param(["down", "--name", "nobody"], "no lab called 'nobody' is up", id="down nothing"),
])
def test_wrong_input_names_itself_and_ends_with_2(doublehop, arguments, text):
    done = doublehop(*arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_finds_this_machine_fit(doublehop):
    done = doublehop("doctor")
    assert done.returncode == 0, done.stdout
    assert all(line.startswith("ok") for line in done.stdout.splitlines())


COMMANDS = ["", "run", "list", "explain", "up", "down", "status", "shell", "exec", "doctor", "test"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(doublehop, command):
    done = doublehop(*[each for each in (command, "--help") if each])
    assert done.returncode == 0
    assert "Usage:" in done.stdout


def test_list_with_sources_tells_every_row(doublehop):
    lines = doublehop("list", "--sources").stdout.splitlines()
    assert len(lines) == len(sources.rows())
    assert all(re.match(r"[A-HS]-\d\d  \S", line) for line in lines)
