"""Wrong inventories, missing credentials and silent hosts: one clear sentence each, within its deadline."""

import re
import time

import pytest

from tests.existing.standing import DISABLED, NEVER_EXPIRES, NORMAL, USERS

HOLDS = "delegation::trusted"
SILENT = "10.93.0.99"
"""An address of the lab's network that nobody has."""
PATIENCE = 40
ON_ANOTHER_PORT = """
[own]
from = "delegation::trusted"
title = "A site on a port where nothing listens"
why = "It is down."
sources = []
change.given.front_ends.web1.sites.Portal.bindings = ["*:8099:{portal}"]
change.when.get = "http://{portal}:8099/whoami"

[own.expect]
spn = "HTTP/{portal}"
status = 200
scheme = "Kerberos"
user = "alice"
level = "Delegate"
sees.sql = "alice"
"""


def refused(done):
    """The one sentence that a refusal is, once nothing was run."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert not done.stdout
    assert "Traceback" not in done.stderr
    lines = [each for each in done.stderr.splitlines() if "looking at" not in each]
    assert len(lines) == 1, lines
    return lines[0]


def test_a_wrong_inventory_names_file_and_key(standing):
    path = standing.inventory(("[domain]", "[domain]\nkcd = 1"), name="wrong.toml")
    for command in ("run", "doctor"):
        assert f"{path}: domain.kcd: unexpected key" in refused(standing.visit(inventory=path, command=command))


@pytest.mark.parametrize(("arguments", "text"), [
    (["run", "--lab=existing"], "--lab-inventory: --lab=existing needs the TOML file"),
    (["run", "--lab=existing", "--lab-inventory=nowhere.toml"], "nowhere.toml: cannot be read (No such file"),
    (["run", "--lab=local", "--lab-inventory=nowhere.toml"], "--lab-inventory: goes with --lab=existing"),
    (["run", "--lab=existing", "--lab-inventory=nowhere.toml", "--lab-front-end=aspnetcore"],
     "--lab-front-end: unexpected with --lab=existing"),
    (["up", "--lab=existing"], "an existing environment is never brought up or changed"),
    (["explore", "--lab=existing", "--count=1"], "an existing environment is never brought up or changed"),
])
def test_what_does_not_go_together_is_one_sentence(doublehop, arguments, text):
    assert text in refused(doublehop(*arguments))


def test_a_missing_credential_names_its_variable(standing):
    done = standing.visit(HOLDS, environment={"ALICE_PASSWORD": ""})
    assert "accounts.alice.password_env: the environment variable ALICE_PASSWORD is not set" in refused(done)


def test_at_a_terminal_a_missing_password_is_asked_for_and_not_shown(standing):
    shown = standing.typed(
        "-m", "doublehop", "run", "--lab=existing", "--lab-inventory", str(standing.inventory()), HOLDS,
        environment={"ALICE_PASSWORD": ""}, after="password of accounts.alice in ",
        text=standing.passwords["lab-alice"])
    assert "1 agreed" in shown
    assert standing.passwords["lab-alice"] not in shown


@pytest.mark.parametrize(("key", "text"), [("kdc", "port 88"), ("ldap", "port 636")])
def test_a_silent_controller_is_named_in_time(standing, key, text):
    path = standing.inventory((f'{key} = "dc1.doublehop.test"', f'{key} = "{SILENT}"'), name="silent.toml")
    started = time.monotonic()
    said = refused(standing.visit(HOLDS, inventory=path))
    assert f"domain.{key}: nothing answers at {SILENT} {text}" in said
    assert time.monotonic() - started < PATIENCE


def test_a_silent_front_end_breaks_its_scenarios(standing):
    """Of what is silent nobody can say that something differs, so it is not passed over."""
    path = standing.inventory(("*:80:{portal}", "*:8099:{portal}"), name="silent.toml")
    own = standing.folder / "own.toml"
    own.write_text(ON_ANOTHER_PORT)
    done = standing.visit(str(own), inventory=path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"the front end does not answer: {standing.portal}:8099: " in done.stdout
    assert "0 agreed, 0 disagreed, 1 broken, 0 not run" in done.stdout


def test_a_certificate_of_somebody_else_is_not_taken(standing):
    """A password is sent to the directory, so it has to be the one that the authority vouches for."""
    other = standing.on("web1", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-subj", "/CN=dc1.doublehop.test", "-addext", "subjectAltName=DNS:dc1.doublehop.test",
                        "-keyout", "/dev/null")
    (standing.folder / "other.pem").write_text(other)
    said = refused(standing.visit(HOLDS, inventory=standing.inventory(('"ca.pem"', '"other.pem"'), name="other.toml")))
    assert "domain.ldap: dc1.doublehop.test does not let reader@DOUBLEHOP.TEST read" in said
    assert "certificate verify failed" in said.lower()


@pytest.mark.parametrize(("key", "variable", "name"), [
    ("accounts.alice", "ALICE_PASSWORD", "lab-alice"), ("reader", "READER_PASSWORD", "reader"),
])
def test_a_wrong_password_is_said_once_and_ends_the_run(standing, key, variable, name):
    said = refused(standing.visit(HOLDS, environment={variable: "Wr0ng-but-long!"}))
    assert f"{key}: {name}@DOUBLEHOP.TEST cannot sign in: the password is wrong" in said


@pytest.mark.parametrize(("name", "change", "text"), [
    ("expired", lambda lab: (lab.add("expired", NORMAL), lab.set("expired", "pwdLastSet", 0)),
     "the password has expired"),
    ("disabled", lambda lab: lab.add("disabled", NORMAL | NEVER_EXPIRES | DISABLED),
     "the account is disabled or locked"),
    ("nobody", lambda lab: lab.passwords.update(nobody="x"), "the domain has no such account"),
])
def test_who_cannot_sign_in_is_told_why(standing, name, change, text):
    change(standing)
    path = standing.inventory(('account = "lab-alice"', f'account = "{name}"'), name="user.toml")
    said = refused(standing.visit(HOLDS, inventory=path, environment={"ALICE_PASSWORD": standing.passwords[name]}))
    assert f"accounts.alice: {name}@DOUBLEHOP.TEST cannot sign in: {text}" in said


def test_an_account_without_rights_sees_nothing_to_hold(standing):
    """Who may not read an account cannot say that anything of it holds."""
    standing.add("blind")
    (sid,) = re.findall(r"objectSid: (S-1-5-21-[\d-]+)", standing.on("dc1", "samba-tool", "user", "show", "blind"))
    standing.on("dc1", "samba-tool", "dsacl", "set", f"--objectdn=CN=lab-pool,{USERS}",
                f"--sddl=(D;;GA;;;{sid})")
    path = standing.inventory(('account = "reader"', 'account = "blind"'), name="blind.toml")
    done = standing.visit(HOLDS, inventory=path, environment={"READER_PASSWORD": standing.passwords["blind"]})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "account pool is not to be seen in the directory" in done.stdout
    assert "0 agreed, 0 disagreed, 0 broken, 1 not run" in done.stdout


def test_a_log_that_is_not_the_kdcs_is_refused(standing):
    (standing.folder / "other.log").write_text("nothing of the kind\n")
    path = standing.inventory(('"kdc.log"', '"other.log"'), name="log.toml")
    assert "domain.kdc_log: people signed in, and " in refused(standing.visit(HOLDS, inventory=path))


def test_doctor_finds_this_machine_fit(standing):
    done = standing.visit(command="doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the existing provider" in done.stdout
