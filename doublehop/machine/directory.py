"""Carries out directory changes over LDAP and says how to take each one back.

Changes are plain dictionaries, made by `doublehop.directory`; nothing here knows what they are for. The
same LDAP serves Samba and Windows AD: LDAPS, a simple bind, standard operations.
"""

import base64
import ssl
import struct
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPCommunicationError, LDAPNoSuchObjectResult, LDAPOperationResult
from ldap3.protocol.formatters.formatters import format_sid
from ldap3.protocol.microsoft import security_descriptor_control

Change = dict[str, Any]

MODIFICATIONS = {"add": ldap3.MODIFY_ADD, "delete": ldap3.MODIFY_DELETE, "replace": ldap3.MODIFY_REPLACE}
OWNER_SYSTEM = bytes.fromhex("010100000000000512000000")
GENERIC_ALL = 0x000F01FF
MANAGED_PASSWORD = "msDS-ManagedPassword"
PASSWORD_BYTES = 256
KEY_VERSION = "msDS-KeyVersionNumber"
ACCESS_ALLOWED = 0
DACL_ONLY = 4
"""Read and write the access control list of a descriptor without its owner (MS-ADTS 3.1.1.3.4.1.11)."""
MADE_HERE = "made by doublehop for a scenario"
"""The description of every entry that a change adds: in a directory that outlives its lab it tells them apart."""
SWEPT_AT_ONCE = 500
"""Entries of one page of an answer; Windows gives no more than 1,000 (MS-ADTS 3.1.1.3.4.6, MaxPageSize)."""
ACT_ON_BEHALF = "msDS-AllowedToActOnBehalfOfOtherIdentity"


class Directory:
    """One connection to the domain's LDAP service; making one raises ConnectionError when it answers nothing."""

    def __init__(self, connection: ldap3.Connection) -> None:
        self._connection = connection

    @classmethod
    def signed_in(cls, *, host: str, user: str, password: str, seconds: float = 20, authorities: str = "",
                  name: str = "", port: int = 636) -> "Directory":
        """Connect by LDAPS with a simple bind.

        `authorities` is a file of those who may have signed the certificate, `name` what it is for if not for `host`.
        """
        # The lab's certificate is made anew for each lab and has no issuer; its network has no outsider.
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED if authorities else ssl.CERT_NONE, ca_certs_file=authorities or None,
                        valid_names=[name] if name else None)
        server = ldap3.Server(host, port=port, use_ssl=True, tls=tls, get_info=ldap3.NONE, connect_timeout=seconds)
        try:
            return cls(ldap3.Connection(
                server, user=user, password=password, auto_bind=True, raise_exceptions=True, receive_timeout=seconds,
                check_names=False,
            ))
        except LDAPCommunicationError as failure:
            raise ConnectionError(str(failure)) from failure

    def close(self) -> None:
        """End the connection."""
        self._connection.unbind()

    def sid(self, dn: str) -> str:
        """The SID of an entry, in its form `S-1-5-21-...`."""
        return str(format_sid(self.binary_sid(dn)))

    def search(self, base: str, wanted: str, attributes: list[str]) -> list[tuple[str, dict[str, list[bytes]]]]:
        """Every entry below a base that a filter takes, with its DN and the values of some attributes."""
        self._connection.search(base, wanted, search_scope=ldap3.SUBTREE, attributes=attributes)
        return [(str(each["dn"]), {name: list(each["raw_attributes"].get(name, [])) for name in attributes})
                for each in self._connection.response if "dn" in each]

    def apply(self, changes: list[Change]) -> list[Change]:
        """Do the changes in order; gives those that undo them, in the order to be done.

        When one is refused, those before it are undone and the refusal is raised.
        """
        undo: list[Change] = []
        try:
            for each in changes:
                undo[:0] = HANDLERS[each["do"]](self, each)
        except LDAPOperationResult:
            self.apply(undo)
            raise
        return undo

    def attempt(self, change: Change, administrator: "Directory") -> str:
        """Try one change that may be refused; gives LDAP's name for the result.

        A success is taken back by an administrator: who may add a value may not be allowed to write the others.
        """
        try:
            undo = HANDLERS[change["do"]](self, change)
        except LDAPOperationResult as refusal:
            return str(refusal.description)
        administrator.apply(undo)
        return "success"

    def read(self, dn: str, attributes: list[str]) -> dict[str, list[str]]:
        """The values of some attributes of one entry, binary ones as base64."""
        return {name: [_shown(each) for each in values] for name, values in self.raw(dn, attributes).items()}

    def binary_sid(self, dn: str) -> bytes:
        """What an entry is called in access lists, in whichever directory these are."""
        return self.raw(dn, ["objectSid"])["objectSid"][0]

    def raw(self, dn: str, attributes: list[str]) -> dict[str, list[bytes]]:
        """The values of some attributes of one entry, as they are."""
        self._connection.search(dn, "(objectClass=*)", search_scope=ldap3.BASE, attributes=attributes)
        found = self._connection.response[0]["raw_attributes"]
        return {name: list(found.get(name, [])) for name in attributes}

    def _add(self, change: Change) -> list[Change]:
        attributes = {name: [_value(each) for each in values] for name, values in change["attributes"].items()}
        self._connection.add(change["dn"], attributes={**attributes, "description": [MADE_HERE]})
        return [{"do": "delete", "dn": change["dn"]}]

    def sweep(self, bases: list[str]) -> list[str]:
        """Delete every entry below these bases that a change has added, of whichever run; gives their DNs.

        Nobody knows the passwords of an earlier run's accounts. What is below another entry goes before it.
        """
        pages = (self._connection.extend.standard.paged_search(
            base, f"(description={MADE_HERE})", attributes=[], paged_size=SWEPT_AT_ONCE, generator=False)
            for base in bases)
        found = sorted((str(each["dn"]) for page in pages for each in page if "dn" in each), key=len, reverse=True)
        for each in found:
            self._connection.delete(each)
        return found

    def _add_once(self, change: Change) -> list[Change]:
        """Add entries that stay for as long as the directory does, unless they are there."""
        if not self._exists(change["entries"][-1]["dn"]):
            for each in change["entries"]:
                self._add(each)
        return []

    def _exists(self, dn: str) -> bool:
        try:
            self.raw(dn, ["objectClass"])
        except LDAPNoSuchObjectResult:
            return False
        return True

    def _set_password(self, change: Change) -> list[Change]:
        """Reset a password; it cannot be read back, so the change says what it was."""
        new = [_value(change["after"])]
        self._connection.modify(change["dn"], {"unicodePwd": [(ldap3.MODIFY_REPLACE, new)]})
        return [{**change, "before": change["after"], "after": change["before"]}]

    def _expire_password(self, change: Change) -> list[Change]:
        """Have the password changed at next logon; pwdLastSet takes 0 and -1 only, which means now."""
        self._connection.modify(change["dn"], {"pwdLastSet": [(ldap3.MODIFY_REPLACE, [b"0"])]})
        return [{"do": "modify", "how": "replace", "dn": change["dn"], "attribute": "pwdLastSet", "values": ["-1"]}]

    def _delete(self, change: Change) -> list[Change]:
        self._connection.delete(change["dn"])
        return []  # only what a change added is ever deleted

    def _modify(self, change: Change) -> list[Change]:
        name = change["attribute"]
        before = self.raw(change["dn"], [name])[name]
        values = [_value(each) for each in change["values"]]
        self._connection.modify(change["dn"], {name: [(MODIFICATIONS[change["how"]], values)]})
        return [_restoring(change["dn"], {name: before})]

    def _set(self, change: Change) -> list[Change]:
        """Give some attributes of an entry these values, and no others."""
        before = self.raw(change["dn"], [*change["attributes"]])
        self._connection.modify(change["dn"], {
            name: [(ldap3.MODIFY_REPLACE, [_value(each) for each in values])]
            for name, values in change["attributes"].items()})
        return [_restoring(change["dn"], before)]

    def _keep(self, change: Change) -> list[Change]:
        """Change nothing; what is there now is what undoing comes back to."""
        return [_restoring(change["dn"], self.raw(change["dn"], [change["attribute"]]))]

    def managed_password(self, dn: str) -> bytes:
        """The current password of a gMSA, if this connection's account may have it.

        Raises PermissionError otherwise: the directory then answers as if there were no such attribute.
        """
        values = self.raw(dn, [MANAGED_PASSWORD])[MANAGED_PASSWORD]
        if not values:
            raise PermissionError(f"the directory hands out no managed password of {dn}")
        return current_password(values[0])

    def _allow_to_retrieve(self, change: Change) -> list[Change]:
        return self._allow(change, "msDS-GroupMSAMembership")

    def _allow_to_act(self, change: Change) -> list[Change]:
        return self._allow(change, ACT_ON_BEHALF)

    def _give_full_control(self, change: Change) -> list[Change]:
        """Put some principals into an account's access control list; it goes with the account."""
        sids = [self.binary_sid(each) for each in change["principals"]]
        name, dn, dacl = "nTSecurityDescriptor", change["dn"], security_descriptor_control(sdflags=DACL_ONLY)
        self._connection.search(dn, "(objectClass=*)", search_scope=ldap3.BASE, attributes=[name], controls=dacl)
        before = self._connection.response[0]["raw_attributes"][name][0]
        self._connection.modify(dn, {name: [(ldap3.MODIFY_REPLACE, [also_allowing(before, sids)])]}, controls=dacl)
        return []

    def _allow(self, change: Change, attribute: str) -> list[Change]:
        """Let some principals do what a descriptor in this attribute grants."""
        sids = [self.binary_sid(each) if isinstance(each, str) else _value(each) for each in change["principals"]]
        value = {"base64": base64.b64encode(allowing(sids)).decode()}
        return self._modify({"how": "replace", "dn": change["dn"], "attribute": attribute, "values": [value]})


HANDLERS = {
    "add": Directory._add,
    "delete": Directory._delete,
    "modify": Directory._modify,
    "set": Directory._set,
    "keep": Directory._keep,
    "allow-to-act": Directory._allow_to_act,
    "allow-to-retrieve-password": Directory._allow_to_retrieve,
    "add-once": Directory._add_once,
    "give-full-control": Directory._give_full_control,
    "set-password": Directory._set_password,
    "expire-password": Directory._expire_password,
}


def allowing(sids: list[bytes]) -> bytes:
    """A self-relative security descriptor that grants full access to these SIDs (MS-DTYP 2.4.6).

    It is what Set-ADComputer -PrincipalsAllowedToDelegateToAccount writes; the KDC reads nothing else in it.
    """
    entries = _entries(sids)
    acl = struct.pack("<BBHHH", 4, 0, 8 + len(entries), len(sids), 0) + entries
    header = struct.pack("<BBHIIII", 1, 0, 0x8004, 20, 0, 0, 20 + len(OWNER_SYSTEM))
    return header + OWNER_SYSTEM + acl


def allowed_by(descriptor: bytes) -> list[bytes]:
    """The SIDs that a descriptor's access control list grants something to (MS-DTYP 2.4.4.2)."""
    start = struct.unpack_from("<BBHIIII", descriptor)[6]
    if not start:
        return []
    count, at, found = struct.unpack_from("<BBHHH", descriptor, start)[3], start + 8, []
    for _ in range(count):
        kind, _, length = struct.unpack_from("<BBH", descriptor, at)
        if kind == ACCESS_ALLOWED:
            found.append(descriptor[at + 8 : at + length])
        at += length
    return found


def _entries(sids: list[bytes]) -> bytes:
    """ACCESS_ALLOWED_ACEs (MS-DTYP 2.4.4.2), full access for each."""
    return b"".join(struct.pack("<BBHI", 0, 0, 8 + len(sid), GENERIC_ALL) + sid for sid in sids)


def also_allowing(descriptor: bytes, sids: list[bytes]) -> bytes:
    """A descriptor's access control list with full access for these SIDs before everything else, and no owner."""
    revision, _, control, _, _, _, start = struct.unpack_from("<BBHIIII", descriptor)
    version, _, length, count, _ = struct.unpack_from("<BBHHH", descriptor, start)
    entries = _entries(sids) + descriptor[start + 8 : start + length]
    acl = struct.pack("<BBHHH", version, 0, 8 + len(entries), count + len(sids), 0) + entries
    return struct.pack("<BBHIIII", revision, 0, control, 0, 0, 0, 20) + acl


def current_password(blob: bytes) -> bytes:
    """The password of a MSDS-MANAGEDPASSWORD_BLOB (MS-ADTS 2.2.19), UTF-16 of random code units."""
    version, _, length, current = struct.unpack_from("<HHIH", blob)
    if version != 1 or length != len(blob) or current + PASSWORD_BYTES > length:
        raise ValueError("not a managed password that MS-ADTS describes")
    return blob[current : current + PASSWORD_BYTES]


def _restoring(dn: str, before: dict[str, list[bytes]]) -> Change:
    """The change that gives some attributes of an entry the values they had."""
    return {"do": "set", "dn": dn,
            "attributes": {name: [_encoded(each) for each in values] for name, values in before.items()}}


def _value(given: str | dict[str, str]) -> bytes:
    return base64.b64decode(given["base64"]) if isinstance(given, dict) else given.encode()


def _encoded(value: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}


def _shown(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
