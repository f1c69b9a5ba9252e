"""Directory changes: what each fact of a scenario becomes, attribute by attribute and byte by byte."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublehop import directory
from doublehop.model import AfterSignIn, Encryption, Given, Principal
from doublehop.scope import Scope

USERS = "CN=Users,DC=DOUBLEHOP,DC=TEST"
PASSWORD = "pa'ss\"wörd"


@pytest.fixture(scope="module")
def plan(topology):
    def make(password=PASSWORD, *, standing=False, **facts):
        """The plan of a scenario to whose accounts something happens later, or of one that takes the lab's own."""
        labels = [*facts.get("users", {}), *facts.get("accounts", {})]
        later = {} if standing else {"after_sign_in": dict.fromkeys(labels, AfterSignIn())}
        given = Given(**{"users": {}, **later, **facts})
        scope = Scope(topology=topology, given=given, prefix="s1")
        return directory.plan(scope, dict.fromkeys([*given.users, *given.accounts], password))

    return make


def decoded(value):
    return base64.b64decode(value["base64"])


def test_a_user_is_added_with_password_and_aes_keys(plan):
    (change,) = plan(users={"alice": Principal(sql_login=False)})
    password = change["attributes"].pop("unicodePwd")
    assert change == {"do": "add", "dn": f"CN=s1-alice,{USERS}", "attributes": {
        "objectClass": ["user"], "sAMAccountName": ["s1-alice"], "userAccountControl": ["66048"],
        "msDS-SupportedEncryptionTypes": ["24"],
    }}
    assert [decoded(each).decode("utf-16-le") for each in password] == [f'"{PASSWORD}"']


STANDING = {
    "nothing is said of it": (Principal(), {}),
    "its name": (Principal(spns=("HTTP/x",)), {"servicePrincipalName": ["HTTP/x"]}),
    "its rights": (Principal(account_not_delegated=True, allowed_to_delegate_to=("HTTP/y",)), {
        "userAccountControl": ["1114624"], "msDS-AllowedToDelegateTo": ["HTTP/y"]}),
    "no type of encryption": (Principal(supported_encryption_types=()), {"msDS-SupportedEncryptionTypes": []}),
}


@pytest.mark.parametrize(("facts", "attributes"), STANDING.values(), ids=STANDING)
def test_an_account_of_the_labs_own_is_added_once_and_its_facts_are_set(plan, facts, attributes):
    once, *changes = [each for each in plan(standing=True, accounts={"pool": facts}) if each["do"] != "keep"]
    assert (once["do"], once["dn"]) == ("add-once", f"CN=lab-pool,{USERS}")
    assert changes == ([{"do": "set", "dn": once["dn"], "attributes": attributes}] if attributes else [])
    (usual,) = plan(accounts={"pool": Principal()})
    assert once["entries"] == [{"dn": once["dn"], "attributes": {
        **usual["attributes"], "sAMAccountName": ["lab-pool"]}}]


OWN = {
    "something happens to it": {"after_sign_in": {"pool": AfterSignIn(enabled=False)}},
    "it holds what is planted": {"duplicate_spns": {"pool": "HTTP/x"}},
    "its password is old": {"accounts": {"pool": Principal(aes_keys=False)}},
    "others control it": {"accounts": {"pool": Principal(full_control=("alice",))}},
    "the directory keeps its password": {
        "accounts": {"pool": Principal(principals_allowed_to_retrieve_managed_password=("web1",))}},
}


@pytest.mark.parametrize("facts", OWN.values(), ids=OWN)
def test_an_account_with_what_cannot_be_taken_back_is_the_scenarios_own(topology, facts):
    given = Given(**{"accounts": {"pool": Principal()}, **facts})
    assert Scope(topology=topology, given=given, prefix="s1").account("pool").startswith("s1-pool")


def test_an_account_gets_its_names_and_rights(plan):
    kept, change = plan(names={}, accounts={"pool": Principal(
        spns=("HTTP/{web1}",), allowed_to_delegate_to=("MSSQLSvc/{sql1}", "MSSQLSvc/{sql1}:1433"))})
    assert kept["do"] == "keep"
    assert change["attributes"]["servicePrincipalName"] == ["HTTP/web1.doublehop.test"]
    assert change["attributes"]["msDS-AllowedToDelegateTo"] == [
        "MSSQLSvc/sql1.doublehop.test", "MSSQLSvc/sql1.doublehop.test:1433"]


CONTROLS = {  # MS-ADTS 2.2.16
    "trusted_for_delegation": 0x80000,
    "account_not_delegated": 0x100000,
    "trusted_to_auth_for_delegation": 0x1000000,
}


@pytest.mark.parametrize(("fact", "bit"), CONTROLS.items(), ids=CONTROLS)
def test_a_claim_is_one_bit_of_user_account_control(plan, fact, bit):
    claim: dict[str, Any] = {fact: True}
    facts = Principal(**claim)
    (user,) = plan(users={"alice": facts})
    (computer,) = plan(computers={"web1": facts})
    assert user["attributes"]["userAccountControl"] == [str(0x200 | 0x10000 | bit)]
    assert computer == {"do": "modify", "how": "replace", "dn": "CN=WEB1,CN=Computers,DC=DOUBLEHOP,DC=TEST",
                        "attribute": "userAccountControl", "values": [str(0x1000 | bit)]}


def test_a_computer_is_changed_only_in_what_is_said_of_it(plan):
    assert plan(computers={"web1": Principal()}) == []
    _, *changes = plan(computers={"web1": Principal(
        spns=("HTTP/{web1}",), without_spns=("HOST/{web1}",), allowed_to_delegate_to=("MSSQLSvc/{sql1}",))})
    assert [(each["how"], each["attribute"], each["values"]) for each in changes] == [
        ("delete", "servicePrincipalName", ["HOST/web1.doublehop.test"]),
        ("add", "servicePrincipalName", ["HTTP/web1.doublehop.test"]),
        ("replace", "msDS-AllowedToDelegateTo", ["MSSQLSvc/sql1.doublehop.test"]),
    ]
    assert {each["dn"] for each in changes} == {"CN=WEB1,CN=Computers,DC=DOUBLEHOP,DC=TEST"}


def test_rbcd_names_who_may_act_once_they_exist(plan):
    changes = plan(
        users={"alice": Principal()}, accounts={"pool": Principal()},
        computers={"sql1": Principal(principals_allowed_to_delegate_to_account=("pool", "web1"))},
    )
    assert [each["do"] for each in changes] == ["add", "add", "allow-to-act"]
    assert changes[-1] == {
        "do": "allow-to-act", "dn": "CN=SQL1,CN=Computers,DC=DOUBLEHOP,DC=TEST",
        "principals": [f"CN=s1-pool,{USERS}", "CN=WEB1,CN=Computers,DC=DOUBLEHOP,DC=TEST"],
    }


def test_memberships_follow_their_member(plan):
    user, protected = plan(users={"alice": Principal(protected_user=True)})
    assert user["dn"] == f"CN=s1-alice,{USERS}"
    assert protected == directory.modify(f"CN=Protected Users,{USERS}", "add", "member", [user["dn"]])


@given(number=st.integers(1, 700), facts=st.sampled_from(["groups", "domain_local_groups"]))
def test_an_account_is_a_member_of_as_many_groups_as_it_says(plan, number, facts):
    _, *changes = plan(users={"alice": Principal(**{facts: number})})
    scope = {"groups": "-2147483646", "domain_local_groups": "-2147483644"}[facts]  # MS-ADTS 2.2.12
    members = {each["dn"]: set(each["values"]) for each in changes if each["do"] == "modify"}
    made = [each for change in changes if change["do"] == "add-once" for each in change["entries"][1:]]
    reached = {f"CN=s1-alice,{USERS}"}
    for each in made:
        assert each["attributes"]["groupType"] == [scope]
        if reached & (members.get(each["dn"], set()) | set(each["attributes"].get("member", []))):
            reached.add(each["dn"])
    assert len(reached) == 1 + number


def test_every_change_says_which_entry_it_is_about(plan, topology):
    """Of two domains' directories it tells which one the change is for."""
    assert all(each["dn"].endswith(topology.base_dn) for each in plan(users={"alice": Principal(groups=5)}))


def test_a_set_of_groups_is_the_same_for_every_account_of_a_lab(plan):
    alice, bob = ([each for each in plan(users={name: Principal(groups=5)}) if each["do"] == "add-once"]
                  for name in ("alice", "bob"))
    assert alice == bob


ENCRYPTIONS = {  # MS-KILE 2.2.7
    ("DES",): ["3"], ("RC4",): ["4"], ("AES128",): ["8"], ("AES256",): ["16"], ("AES128", "AES256"): ["24"],
    ("RC4", "AES128", "AES256"): ["28"], ("AES256", "resource-SID-compression-disabled"): ["524304"], (): [],
}


@pytest.mark.parametrize(("types", "value"), ENCRYPTIONS.items(), ids=lambda each: " ".join(each) or "none")
def test_encryption_types_are_one_number(plan, types, value):
    facts = Principal(supported_encryption_types=tuple(Encryption(each) for each in types))
    (account,) = plan(accounts={"pool": facts})
    assert account["attributes"].get("msDS-SupportedEncryptionTypes", []) == value
    changes = plan(computers={"sql1": facts})
    assert [each["values"] for each in changes] == ([] if value == ["24"] else [value])


def test_a_gmsa_has_no_password_of_ours_and_says_who_may_have_it(plan):
    _, account, allowed = plan(accounts={"pool": Principal(
        principals_allowed_to_retrieve_managed_password=("web1",), spns=("HTTP/{web1}",))})
    dn = "CN=s1-pool,CN=Managed Service Accounts,DC=DOUBLEHOP,DC=TEST"
    assert account == {"do": "add", "dn": dn, "attributes": {
        "objectClass": ["msDS-GroupManagedServiceAccount"], "sAMAccountName": ["s1-pool$"],
        "dNSHostName": ["s1-pool.doublehop.test"], "msDS-ManagedPasswordInterval": ["30"],
        "userAccountControl": ["4096"], "msDS-SupportedEncryptionTypes": ["24"],
        "servicePrincipalName": ["HTTP/web1.doublehop.test"],
    }}
    assert allowed == {"do": "allow-to-retrieve-password", "dn": dn,
                       "principals": ["CN=WEB1,CN=Computers,DC=DOUBLEHOP,DC=TEST"]}


def test_what_happens_after_sign_in(topology):
    reset = AfterSignIn(password_reset=True)
    given = Given(users={"alice": Principal(account_not_delegated=True)}, accounts={"pool": Principal()},
                  after_sign_in={"pool": reset, "sql1": reset, "alice": AfterSignIn(enabled=False)})
    scope = Scope(topology=topology, given=given, prefix="s1")
    pool, sql1, alice = directory.plan_after_sign_in(
        scope, {"pool": "old", "sql1": "older"}, {"pool": "new", "sql1": "newer"})
    assert [(each["do"], each["dn"]) for each in (pool, sql1)] == [
        ("set-password", f"CN=s1-pool,{USERS}"), ("set-password", "CN=SQL1,CN=Computers,DC=DOUBLEHOP,DC=TEST")]
    assert [decoded(pool[each]).decode("utf-16-le") for each in ("before", "after")] == ['"old"', '"new"']
    assert alice == directory.modify(f"CN=s1-alice,{USERS}", "replace", "userAccountControl",
                                     [str(0x200 | 0x10000 | 0x100000 | 0x2)])


def test_a_password_expires_when_it_may_and_was_never_set(topology):
    given = Given(after_sign_in={"alice": AfterSignIn(change_password_at_logon=True)})
    changes = directory.plan_after_sign_in(Scope(topology=topology, given=given, prefix="s1"), {}, {})
    dn = f"CN=s1-alice,{USERS}"
    assert changes == [directory.modify(dn, "replace", "userAccountControl", ["512"]),
                       {"do": "expire-password", "dn": dn}]


HEADER = {  # MS-DNSP 2.3.2.2: DataLength, Type, Version, Rank, Flags, Serial, TtlSeconds, Reserved, TimeStamp
    "data length": (2, "little"), "type": (2, "little"), "version": (1, "little"), "rank": (1, "little"),
    "flags": (2, "little"), "serial": (4, "little"), "ttl": (4, "big"), "reserved": (4, "little"),
    "time": (4, "little"),
}


def record(kind, data):
    values = (len(data), kind, 5, 240, 0, 1, 900, 0, 0)
    return b"".join(value.to_bytes(*how) for value, how in zip(values, HEADER.values(), strict=True)) + data


RECORDS = {
    "A web1": record(1, bytes([10, 93, 0, 21])),
    "CNAME web1": record(5, b"\x15\x03\x04web1\x09doublehop\x04test\x00"),
    "CNAME portal": record(5, b"\x1a\x04\x06portal\x02s1\x09doublehop\x04test\x00"),
}


@pytest.mark.parametrize(("text", "expected"), RECORDS.items(), ids=RECORDS)
def test_a_dns_name_is_a_node_with_one_record(plan, text, expected):
    *_, change = plan(names={"portal": "A web2", "intra": text})
    assert change["dn"] == ("DC=intra.s1,DC=doublehop.test,CN=MicrosoftDNS,DC=DomainDnsZones,"
                            "DC=DOUBLEHOP,DC=TEST")
    assert change["attributes"]["objectClass"] == ["dnsNode"]
    assert [decoded(each).hex(" ") for each in change["attributes"]["dnsRecord"]] == [expected.hex(" ")]


def test_an_a_record_byte_by_byte(topology):
    change = directory.address_record(topology, "web1", topology.machines["web1"].address)
    (value,) = change["attributes"]["dnsRecord"]
    assert decoded(value).hex(" ") == (
        "04 00 01 00 05 f0 00 00 01 00 00 00 00 00 03 84 00 00 00 00 00 00 00 00 0a 5d 00 15")


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_", min_size=8).map("!{}!".format))  # "!" is nowhere else
def test_a_password_appears_in_its_own_attribute_only(topology, password):
    given = Given(users={"alice": Principal(groups=1)},
                  accounts={"pool": Principal(spns=("HTTP/{web1}",), aes_keys=False)},
                  names={"portal": "A web1"}, computers={"web1": Principal(trusted_for_delegation=True)})
    changes = directory.plan(Scope(topology=topology, given=given, prefix="s1"), {"alice": password, "pool": password})
    entries = [entry for change in changes for entry in (change, *change.get("entries", ()))]
    secret = [each["attributes"].pop("unicodePwd") for each in entries if "unicodePwd" in each.get("attributes", {})]
    assert len(secret) == 2
    assert password not in json.dumps(changes)
    assert base64.b64encode(f'"{password}"'.encode("utf-16-le")).decode() not in json.dumps(changes)


@pytest.mark.parametrize(("spn", "machines"), [
    ("HTTP/{web1}", ["WEB1"]), ("HTTP/{web1}:8080", ["WEB1"]), ("http/web2", ["WEB2"]), ("HTTP/old.{web1}", []),
    ("HTTP/{portal}", []), ("nothing", []),
])
def test_a_computers_spns_are_kept_when_its_host_is_given_elsewhere(topology, spn, machines):
    """Samba writes HOST/<host> of the computer anew, in another spelling, and nothing would take that back."""
    scope = Scope(topology=topology, given=Given(names={"portal": "A web1"}), prefix="s1")
    assert list(directory.kept(scope, [spn])) == [
        {"do": "keep", "dn": f"CN={each},CN=Computers,DC=DOUBLEHOP,DC=TEST", "attribute": "servicePrincipalName"}
        for each in machines]


def test_what_is_kept_comes_before_every_change(plan):
    changes = plan(accounts={"pool": Principal(spns=("HTTP/{web1}",))}, computers={"web1": Principal(spns=("X/y",))})
    assert [each["do"] for each in changes] == ["keep", "modify", "add"]


def test_an_account_may_be_disabled_and_its_password_expire(topology):
    given = Given(after_sign_in={"alice": AfterSignIn(enabled=False, change_password_at_logon=True)})
    control, expire = directory.plan_after_sign_in(Scope(topology=topology, given=given, prefix="s1"), {}, {})
    assert control["values"] == [str(directory.NORMAL_ACCOUNT | directory.ACCOUNT_DISABLE)]
    assert expire["do"] == "expire-password"
