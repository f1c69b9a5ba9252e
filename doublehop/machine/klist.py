"""Reads what klist says of a ticket, in the words that Windows's klist has for it (row E-24)."""

import re
from typing import Any

FLAGS = {"F": "forwardable", "O": "ok_as_delegate"}
"""The flags that delegation turns on; MIT's klist gives a letter each."""
KEYS = {"aes256-cts-hmac-sha1-96": "AES256", "aes128-cts-hmac-sha1-96": "AES128", "arcfour-hmac": "RC4"}
_TICKET = re.compile(r"^\S[^\n]*  (\S+)@\S*\n((?:\t[^\n]*(?:\n|$))+)", re.MULTILINE)
"""A ticket's line with its service, whose realm may be left out, and the indented lines about it."""
_FLAGS = re.compile(r"Flags: (\w+)")
_KEY = re.compile(r"Etype \(skey, tkt\): (?:DEPRECATED:)?([^\s,]+)")


def ticket(text: str, service: str) -> dict[str, Any]:
    """Flags and session key of the ticket for a service, out of `klist -e -f`; nothing when there is none."""
    for name, about in _TICKET.findall(text):
        flags, key = _FLAGS.search(about), _KEY.search(about)
        if name.lower() == service.lower() and flags and key:
            return {"session_key": KEYS.get(key[1], key[1]),
                    "ticket_flags": [word for letter, word in FLAGS.items() if letter in flags[1]]}
    return {}
