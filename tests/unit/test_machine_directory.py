"""The security descriptor of RBCD, and how directory changes are taken back."""

import base64
import itertools
from typing import Any

import pytest
from ldap3.core.exceptions import (
    LDAPEntryAlreadyExistsResult,
    LDAPInvalidCredentialsResult,
    LDAPNoSuchObjectResult,
    LDAPSocketOpenError,
)

from doublehop.machine import directory
from doublehop.machine.directory import Directory, allowing, also_allowing, current_password

# S-1-5-21-1-2-3-1105 and -1106 (MS-DTYP 2.4.2.2: revision, count, 48-bit big-endian authority, 32-bit parts)
POOL = bytes.fromhex("01 05 000000000005 15000000 01000000 02000000 03000000 51040000")
WEB1 = bytes.fromhex("01 05 000000000005 15000000 01000000 02000000 03000000 52040000")

HEADER = "01 00 0480 14000000 00000000 00000000 20000000"  # self-relative, DACL present; owner at 20, DACL at 32
OWNER = "01 01 000000000005 12000000"  # S-1-5-18, the system
ACE = "00 00 2400 ff010f00"  # access allowed, 36 bytes, full control

DESCRIPTORS = {
    "nobody": ([], "04 00 0800 0000 0000"),
    "one": ([POOL], f"04 00 2c00 0100 0000 {ACE} {POOL.hex()}"),
    "two": ([POOL, WEB1], f"04 00 5000 0200 0000 {ACE} {POOL.hex()} {ACE} {WEB1.hex()}"),
}


@pytest.mark.parametrize(("sids", "acl"), DESCRIPTORS.values(), ids=DESCRIPTORS)
def test_a_descriptor_grants_full_control_to_each_sid(sids, acl):
    assert allowing(sids).hex(" ") == bytes.fromhex(HEADER + OWNER + acl).hex(" ")


def test_full_control_goes_before_what_a_list_says_already():
    other = bytes.fromhex(f"00 00 2400 ff010f00 {WEB1.hex()}")
    owner, group, acl = bytes(12), bytes(12), bytes.fromhex("04 00 2c00 0100 0000") + other
    header = bytes.fromhex("01 00 0484 14000000 20000000 00000000 2c000000")
    made = also_allowing(header + owner + group + acl + b"and something behind", [POOL])
    without_owner = "01 00 0484 00000000 00000000 00000000 14000000"
    expected = bytes.fromhex(f"{without_owner} 04 00 5000 0200 0000 {ACE} {POOL.hex()} {other.hex()}")
    assert made.hex(" ") == expected.hex(" ")


class Entries:
    """A directory of two entries in memory, with the operations of an ldap3 connection."""

    def __init__(self):
        self.content = {"CN=web1": {"servicePrincipalName": [b"HOST/web1"]}, "CN=pool": {"objectSid": [POOL]}}
        self.response = []

    def add(self, dn, attributes):
        if dn in self.content:
            raise LDAPEntryAlreadyExistsResult(description="entryAlreadyExists")
        self.content[dn] = {name: list(values) for name, values in attributes.items()}

    def delete(self, dn):
        del self.content[dn]

    def modify(self, dn, changes):
        for name, ((how, values),) in changes.items():
            old = self.content[dn].get(name, [])
            new = {"MODIFY_REPLACE": values, "MODIFY_ADD": [*old, *values],
                   "MODIFY_DELETE": [each for each in old if each not in values]}[how]
            self.content[dn][name] = new
            if not new:
                del self.content[dn][name]

    def search(self, dn, *args, **kwargs):
        if dn not in self.content:
            raise LDAPNoSuchObjectResult(description="noSuchObject")
        self.response = [{"raw_attributes": self.content[dn]}]


@pytest.fixture
def entries():
    return Entries()


@pytest.fixture
def lab_directory(entries):
    return Directory(entries)


ADD = {"do": "add", "dn": "CN=new", "attributes": {"cn": ["new"], "raw": [{"base64": "AAE="}]}}
ADD_SPN = {"do": "modify", "how": "add", "dn": "CN=web1", "attribute": "servicePrincipalName", "values": ["HTTP/web1"]}
DROP_SPN = {**ADD_SPN, "how": "delete", "values": ["HOST/web1"]}
ALLOW = {"do": "allow-to-act", "dn": "CN=web1", "principals": ["CN=pool"]}
TWICE = {"do": "add", "dn": "CN=pool", "attributes": {}}
ONCE: dict[str, Any] = {"do": "add-once", "entries": [
    {"dn": each, "attributes": {"cn": [each]}} for each in ("OU=unit", "CN=a,OU=unit", "CN=b,OU=unit")]}
SET = {"do": "set", "dn": "CN=web1", "attributes": {"servicePrincipalName": ["HTTP/y"], "description": ["web"]}}
CHANGES = [ADD, ADD_SPN, DROP_SPN, ALLOW]


def test_changes_are_carried_out(lab_directory, entries):
    lab_directory.apply(CHANGES)
    assert entries.content["CN=new"] == {
        "cn": [b"new"], "raw": [b"\0\1"], "description": [directory.MADE_HERE]}
    assert entries.content["CN=web1"] == {
        "servicePrincipalName": [b"HTTP/web1"], directory.ACT_ON_BEHALF: [allowing([POOL])]}


@pytest.mark.parametrize("changes", list(itertools.permutations(CHANGES)), ids=lambda changes: ", ".join(
    each.get("how", each["do"]) for each in changes))
def test_taking_changes_back_leaves_what_was_there(lab_directory, entries, changes):
    lab_directory.apply(lab_directory.apply(list(changes)))
    assert entries.content == Entries().content


def test_attributes_are_set_and_set_back(lab_directory, entries):
    undo = lab_directory.apply([SET])
    assert entries.content["CN=web1"] == {"servicePrincipalName": [b"HTTP/y"], "description": [b"web"]}
    assert [each["do"] for each in undo] == ["set"]
    lab_directory.apply(undo)
    assert entries.content == Entries().content


def test_what_is_added_once_stays_and_is_found_the_next_time(lab_directory, entries):
    assert lab_directory.apply([ONCE]) == []
    assert {"OU=unit", "CN=a,OU=unit", "CN=b,OU=unit"} <= entries.content.keys()
    assert lab_directory.apply([ONCE]) == []


def test_what_was_added_in_part_is_refused_and_not_taken_for_whole(lab_directory, entries):
    lab_directory.apply([{**ONCE["entries"][0], "do": "add"}])
    with pytest.raises(LDAPEntryAlreadyExistsResult):
        lab_directory.apply([ONCE])


def test_a_password_is_set_and_set_back(lab_directory, entries):
    undo = lab_directory.apply([{"do": "set-password", "dn": "CN=pool", "before": "old", "after": "new"}])
    assert entries.content["CN=pool"]["unicodePwd"] == [b"new"]
    lab_directory.apply(undo)
    assert entries.content["CN=pool"]["unicodePwd"] == [b"old"]


def test_an_expired_password_is_as_good_as_new_afterwards(lab_directory, entries):
    undo = lab_directory.apply([{"do": "expire-password", "dn": "CN=pool"}])
    assert entries.content["CN=pool"]["pwdLastSet"] == [b"0"]
    lab_directory.apply(undo)
    assert entries.content["CN=pool"]["pwdLastSet"] == [b"-1"]


def test_a_managed_password_is_told_only_to_whom_it_is_shown(lab_directory, entries):
    entries.content["CN=gmsa"] = {"msDS-ManagedPassword": [BLOB]}
    assert lab_directory.managed_password("CN=gmsa") == PASSWORD
    with pytest.raises(PermissionError, match="CN=pool"):
        lab_directory.managed_password("CN=pool")


def test_a_refusal_takes_back_what_came_before_it(lab_directory, entries):
    with pytest.raises(LDAPEntryAlreadyExistsResult):
        lab_directory.apply([*CHANGES, TWICE, ADD_SPN])
    assert entries.content == Entries().content


def test_an_attempt_says_how_it_ended_and_leaves_nothing(lab_directory, entries):
    assert lab_directory.attempt(ADD_SPN, lab_directory) == "success"
    assert lab_directory.attempt(TWICE, lab_directory) == "entryAlreadyExists"
    assert entries.content == Entries().content


def test_binary_values_are_read_as_base64(lab_directory):
    assert lab_directory.read("CN=web1", ["servicePrincipalName", "none"]) == {
        "servicePrincipalName": ["HOST/web1"], "none": []}
    (sid,) = lab_directory.read("CN=pool", ["objectSid"])["objectSid"]
    assert sid.encode() == POOL or base64.b64decode(sid) == POOL


# MS-ADTS 2.2.19: version, reserved, length, offsets of the current and previous password and of two intervals
PASSWORD = bytes(range(256))
BLOB = (bytes.fromhex("0100 0000 22010000 1000 0000 1201 1a01") + PASSWORD + bytes(2) + bytes(16))


def test_the_current_password_of_a_managed_account():
    assert len(BLOB) == 0x122
    assert current_password(BLOB) == PASSWORD


@pytest.mark.parametrize("blob", [BLOB[:-1], b"\x02" + BLOB[1:], BLOB[:8] + b"\xff\x00" + BLOB[10:]],
                         ids=["cut", "another version", "an offset past the end"])
def test_a_blob_of_another_form_is_no_password(blob):
    with pytest.raises(ValueError, match="MS-ADTS"):
        current_password(blob)


@pytest.mark.parametrize(("failure", "raised"), [
    (LDAPSocketOpenError("no answer"), ConnectionError),
    (LDAPInvalidCredentialsResult(description="invalidCredentials"), LDAPInvalidCredentialsResult),
])
def test_only_a_directory_that_answers_nothing_is_a_connection_error(monkeypatch, failure, raised):
    """Whoever starts beside the domain controller tries again after one of these; a refusal stays one."""
    def fail(*args, **kwargs):
        raise failure

    monkeypatch.setattr("ldap3.Connection", fail)
    with pytest.raises(raised):
        Directory.signed_in(host="dc1", user="administrator", password="")
