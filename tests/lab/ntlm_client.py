"""Runs inside the client machine: NTLM handshakes message by message, and what each came to.

Reads {host, user, password, steps} as a line of JSON from standard input. Each step names a function of this file;
writes the list of what they gave.
"""

import base64
import http.client
import json
import random
import sys
from types import ModuleType

sys.modules.setdefault("krb5", ModuleType("krb5"))

import spnego  # noqa: E402 - after its stand-in

SECONDS = 20
PAGE = "/whoami?back_ends="
ASKED = json.loads(sys.stdin.readline())


def connect():
    return http.client.HTTPConnection(ASKED["host"], 80, timeout=SECONDS)


def ask(connection, token=None, scheme="NTLM"):
    headers = {} if token is None else {"Authorization": f"{scheme} {base64.b64encode(token).decode()}"}
    connection.request("GET", PAGE, headers=headers)
    response = connection.getresponse()
    body = response.read().decode()
    return response.status, response.headers.get("WWW-Authenticate") or "", body


def context(password=None):
    return spnego.client(username=ASKED["user"], password=password or ASKED["password"], protocol="ntlm")


def handshake(connection, client, change=lambda token: token, scheme="NTLM"):
    """Both messages on one connection; `change` may spoil the second."""
    _, offered, _ = ask(connection, client.step(), scheme)
    return ask(connection, change(client.step(base64.b64decode(offered.partition(" ")[2]))), scheme)


def same_connection():
    connection = connect()
    first = handshake(connection, context())
    return [first[0], ask(connection)[0], json.loads(first[2])["user"]]


def another_connection():
    connection = connect()
    return [handshake(connection, context())[0], ask(connect())[0]]


def legs_on_two_connections():
    client = context()
    _, offered, _ = ask(connect(), client.step())
    return ask(connect(), client.step(base64.b64decode(offered.partition(" ")[2])))[0]


def inside_negotiate():
    return handshake(connect(), context(), scheme="Negotiate")[0]


def wrapped_in_spnego():
    """NTLM as the only mechanism of a real SPNEGO exchange (MS-SPNG); the wrong password, then the right one."""
    seen = []
    for password in ("certainly not", ASKED["password"]):
        client = spnego.client(username=ASKED["user"], password=password, protocol="negotiate", hostname="nowhere",
                               options=spnego.NegotiateOptions.use_negotiate)
        status, _, body = handshake(connect(), client, scheme="Negotiate")
        seen.append([status, json.loads(body)["mechanism"] if status == 200 else ""])
    return seen


def first_inside_negotiate():
    return ask(connect(), context().step(), "Negotiate")[0]


def wrong_password():
    return handshake(connect(), context(password="certainly not"))[0]


def wrong_then_right():
    connection = connect()
    return [handshake(connection, context(password="certainly not"))[0], handshake(connection, context())[0]]


def second_message_twice():
    """The message of one handshake again in another, whose challenge is a new one."""
    kept = []

    def keep(token):
        kept.append(token)
        return token

    handshake(connect(), context(), change=keep)
    return handshake(connect(), context(), change=lambda _: kept[0])[0]


def anonymous():
    """An AUTHENTICATE_MESSAGE that names nobody: every field empty, NTLMSSP_NEGOTIATE_ANONYMOUS set."""
    empty = b"NTLMSSP\0\x03\0\0\0" + b"\0\0\0\0\x40\0\0\0" * 6 + (0x00000A01).to_bytes(4, "little")
    one_byte = empty[:12] + b"\x01\0\x01\0\x40\0\0\0" + empty[20:] + b"\0"
    return [handshake(connect(), context(), change=lambda _, each=each: each)[0] for each in (empty, one_byte)]


def spoilt():
    """Second messages that were cut, lengthened beyond their end, or changed where they prove something."""
    rng = random.Random(7)

    def cut(token):
        return token[: rng.randrange(1, len(token) - 16)]

    def wild_length(token):
        at = rng.choice([12, 20, 28, 36])
        return token[:at] + b"\xff\xff\xff\xff" + token[at + 4 :]

    def wild_offset(token):
        at = rng.choice([16, 24, 32, 40])
        return token[:at] + b"\xf0\xff\xff\x7f" + token[at + 4 :]

    def other_proof(token):
        start = int.from_bytes(token[24:28], "little")
        at = start + rng.randrange(16)
        return token[:at] + bytes([token[at] ^ rng.randrange(1, 256)]) + token[at + 1 :]

    def noise(token):
        return token[:12] + rng.randbytes(rng.randrange(1, 400))

    def first_again(_):
        return b"NTLMSSP\0\x02\0\0\0" + rng.randbytes(60)

    kinds = [cut, wild_length, wild_offset, other_proof, noise, first_again]
    return [[kind.__name__, handshake(connect(), context(), change=kind)[0]] for kind in kinds * 8]


def second_message_first():
    return ask(connect(), b"NTLMSSP\0\x03\0\0\0" + bytes(76))[0]


def spoilt_first():
    rng = random.Random(8)
    return [ask(connect(), b"NTLMSSP\0\x01\0\0\0" + rng.randbytes(rng.randrange(0, 60)))[0] for _ in range(20)]


def half_done():
    """Handshakes left in the middle, on connections that stay open until standard input ends."""
    held = [connect() for _ in range(12)]
    seen = {ask(each, context().step())[0] for each in held}
    print(f"held {seen}", flush=True)
    sys.stdin.read()
    return len(held)


if __name__ == "__main__":
    json.dump([globals()[each]() for each in ASKED["steps"]], sys.stdout)
