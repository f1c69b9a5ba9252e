"""Scenarios against a lab that another process brought up: what holds is run, what differs is named."""

import json
import re
from pathlib import Path

import pytest

from doublehop import catalogue
from doublehop import topology as topologies
from doublehop.model import VerdictKind
from doublehop.providers.existing import SEEN_TO_HOLD
from tests.existing.standing import DATABASE, NEVER_EXPIRES, NORMAL, TRUSTED_FOR_DELEGATION, ends

ROOT = Path(__file__).parents[2]
HOLDS = "delegation::trusted"
WITHOUT_RIGHT = "delegation::not-trusted"
STATED_POOL = 'identityType = "SpecificUser", userName = "pool"'
MINE = """
[mine]
from = "delegation::trusted"
title = "As the inventory states it"
why = "The page knows better."
sources = []
change.given.front_ends.web1.applicationPools.Portal.userName = "other"
change.given.accounts.other = { supported_encryption_types = [] }

[mine.expect]
spn = "HTTP/{portal}"
status = 200
scheme = "Kerberos"
user = "alice"
level = "Delegate"
sees.sql = "alice"
"""


def of_the_same_given(scenario_id):
    """Every scenario of the catalogue that gives exactly what this one does, and needs what may be found there."""
    scenarios = catalogue.load(topologies.load())
    given = next(each.given for each in scenarios if each.id == scenario_id)
    return {each.id for each in scenarios if each.given == given and not {*each.needs} - SEEN_TO_HOLD}


@pytest.fixture(scope="module")
def whole(standing):
    """The whole catalogue against the lab as it stands."""
    path = standing.folder / "whole.jsonl"
    done = standing.visit("--report", str(path), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return ends(path), done.stdout


def test_exactly_those_whose_given_holds_are_run_and_agree(whole):
    agreed = {name for name, (verdict, _) in whole[0].items() if verdict is VerdictKind.AGREED}
    assert len(agreed) > 2
    assert agreed == of_the_same_given(HOLDS)
    assert {verdict for verdict, _ in whole[0].values()} == {VerdictKind.AGREED, VerdictKind.NOT_RUN}


def test_each_that_is_not_run_names_a_fact(whole):
    reasons = {name: reason for name, (verdict, reason) in whole[0].items() if verdict is VerdictKind.NOT_RUN}
    assert reasons[WITHOUT_RIGHT] == "account pool: trusted_for_delegation is yes, the scenario gives no"
    assert "allowed_to_delegate_to is nothing, the scenario gives MSSQLSvc/sql1" in reasons["constrained::listed"]
    assert "nothing is written here" in reasons["duplicates::register-duplicate"]
    assert "the inventory has no accounts.first" in reasons["ports::two-identities"]
    assert "user of a second domain" in reasons["trust::constrained"]
    assert all(reasons.values())


def test_what_is_not_seen_is_said_to_be_taken_from_the_inventory(whole):
    _, reason = whole[0][HOLDS]
    assert reason.startswith("taken from the inventory: account alice: aes_keys, sql_login; ")
    assert "front end web1, *:80:" in reason
    assert "account pool: aes_keys, keytab_encryption_types, sql_login" in reason
    assert "trusted_for_delegation" not in reason
    assert "not seen here" not in reason, "the KDC's log is read, and tells all of this"
    assert f"  {reason}" in whole[1]


def test_without_the_log_it_says_what_nobody_saw(standing):
    done = standing.visit(HOLDS, inventory=standing.inventory(log=False))
    assert "1 agreed" in done.stdout, done.stdout + done.stderr
    assert "not seen here: KDC: ticket for MSSQLSvc/, expected issued for alice" in done.stdout


def test_a_patch_is_seen_and_the_other_scenarios_hold_then(standing):
    path = standing.folder / "patched.jsonl"
    both = sorted(of_the_same_given(HOLDS) | of_the_same_given(WITHOUT_RIGHT))
    standing.set("lab-pool", "userAccountControl", NORMAL | NEVER_EXPIRES)
    try:
        done = standing.visit("--report", str(path), *both)
    finally:
        standing.set("lab-pool", "userAccountControl", NORMAL | NEVER_EXPIRES | TRUSTED_FOR_DELEGATION)
    assert done.returncode == 0, done.stdout + done.stderr
    found = ends(path)
    assert {name for name, (verdict, _) in found.items() if verdict is VerdictKind.AGREED} == of_the_same_given(
        WITHOUT_RIGHT)
    assert found[HOLDS] == (VerdictKind.NOT_RUN,
                            "account pool: trusted_for_delegation is no, the scenario gives yes")


def test_an_spn_that_moved_is_named_with_both_accounts(standing):
    spn = f"HTTP/{standing.portal}"
    standing.set("lab-pool", "servicePrincipalName")
    try:
        gone = standing.visit(HOLDS)
        standing.set("reader", "servicePrincipalName", spn)
        moved = standing.visit(HOLDS)
    finally:
        standing.set("reader", "servicePrincipalName")
        standing.set("lab-pool", "servicePrincipalName", spn)
    assert f"SPN {spn.lower()} is on no account, the scenario gives it to pool" in gone.stdout
    assert f"SPN {spn.lower()} is on reader, the scenario gives it to pool" in moved.stdout
    assert "0 agreed, 0 disagreed, 0 broken, 1 not run" in moved.stdout


def test_an_outcome_that_changed_disagrees_although_everything_is_given(standing):
    """The database loses a login behind the inventory's back: the given holds as it is stated, the outcome does not."""
    alter = ["psql", "-U", "postgres", "-h", "/run/postgresql", "-p", "1433", "-c"]
    standing.on("sql1", *alter, 'alter role "lab-alice" nologin')
    try:
        done = standing.visit(HOLDS)
    finally:
        standing.on("sql1", *alter, 'alter role "lab-alice" login')
    assert done.returncode == 1, done.stdout + done.stderr
    assert "back end sql: identity: expected alice, observed nothing" in done.stdout


def test_a_statement_that_the_page_contradicts_is_no_fact(standing):
    stated = standing.inventory((STATED_POOL, 'identityType = "SpecificUser", userName = "other"'),
                                ("[front_ends.web1]", '[accounts.other]\naccount = "reader"\nrole = "service"\n\n'
                                 "[front_ends.web1]"),
                                ('"pool", "web1"', '"pool", "other", "web1"'))
    scenario = standing.folder / "mine.toml"
    scenario.write_text(MINE)
    done = standing.visit(str(scenario), inventory=stated)
    assert re.search(r"the page says that its pool runs as lab-pool\S*, the inventory states other", done.stdout), (
        done.stdout + done.stderr)
    assert "0 agreed, 0 disagreed, 0 broken, 1 not run" in done.stdout


def test_a_statement_that_the_pages_offers_contradict_is_no_fact(standing):
    stated = standing.inventory(("{ useKernelMode = false }", '{ useKernelMode = false, providers = ["Negotiate"] }'))
    scenario = standing.folder / "mine.toml"
    change = 'change.given.front_ends.web1.sites.Portal.windowsAuthentication.providers = ["Negotiate"]'
    scenario.write_text("\n".join(each for each in MINE.splitlines() if not each.startswith("change.")).replace(
        "sources = []", f"sources = []\n{change}"))
    done = standing.visit(str(scenario), inventory=stated)
    assert "/whoami offers Negotiate, NTLM, the inventory states Negotiate" in done.stdout, done.stdout + done.stderr
    assert "0 agreed, 0 disagreed, 0 broken, 1 not run" in done.stdout


def test_nothing_in_the_directory_changed(standing):
    def everything():
        entries = standing.on("dc1", "ldbsearch", "-H", DATABASE, "(objectClass=*)", "whenChanged", "uSNChanged")
        return [each for each in entries.split("\n\n") if not re.search(r"dn: CN=(lab-alice|reader),", each)]

    standing.visit(HOLDS)
    before = everything()
    assert "1 agreed" in standing.visit(HOLDS).stdout
    assert before == everything(), "but for the time of the last logon of those who signed in"


def test_secrets_are_nowhere_in_what_is_written(standing, whole):
    text = (standing.folder / "whole.jsonl").read_text()
    assert not [name for name, password in standing.passwords.items() if password in text + whole[1]]
    assert json.loads(text.splitlines()[0])["about"]["domain"] == "DOUBLEHOP.TEST"


def test_a_default_site_and_every_kind_of_client(default_site):
    holds = of_the_same_given("client::intranet")
    path = default_site.folder / "clients.jsonl"
    done = default_site.visit("--report", str(path), "client::*")
    assert done.returncode == 0, done.stdout + done.stderr
    agreed = {name for name, (verdict, _) in ends(path).items() if verdict is VerdictKind.AGREED}
    assert agreed == holds
    assert "account web1: trusted_for_delegation is yes, the scenario gives no" in done.stdout


def test_the_plugin_runs_the_same_and_skips_with_the_fact(standing):
    done = standing.run(
        "-m", "pytest", str(ROOT / "tests" / "lab" / "test_catalogue.py"), "--lab=existing", "--lab-inventory",
        str(standing.inventory()), "-q", "-p", "no:cacheprovider",
        "--lab-scenarios", str(ROOT / "fixtures" / "scenarios" / "delegation.toml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not run: account pool: trusted_for_delegation is yes, the scenario gives no" in done.stdout
    assert "1 agreed, 0 disagreed, 0 broken, " in done.stdout


def test_tests_that_go_into_machines_of_ours_are_not_run_there(standing):
    done = standing.run("-m", "pytest", str(ROOT / "tests" / "lab" / "test_machines.py"), "--lab=existing",
                        "--lab-inventory", str(standing.inventory()), "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not run: the existing lab's machines are not of our making" in done.stdout
    assert not re.search(r"passed|failed", done.stdout)


def test_the_plugin_stops_at_a_wrong_inventory(standing):
    wrong = standing.inventory(("[domain]", "[domain]\nkcd = 1"), name="wrong.toml")
    done = standing.run("-m", "pytest", str(ROOT / "tests" / "lab" / "test_catalogue.py"), "--lab=existing",
                        "--lab-inventory", str(wrong), "-q", "-p", "no:cacheprovider")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"{wrong}: domain.kcd: unexpected key" in done.stderr
