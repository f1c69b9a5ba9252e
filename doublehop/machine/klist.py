"""Reads what klist says of a ticket, in the words that Windows's klist has for it (row E-24)."""

import re
from typing import Any

FLAGS = {"F": "forwardable", "O": "ok_as_delegate"}
"""The flags that delegation turns on; MIT's klist gives a letter each."""
KEYS = {"aes256-cts-hmac-sha1-96": "AES256", "aes128-cts-hmac-sha1-96": "AES128", "arcfour-hmac": "RC4"}
_TICKET = re.compile(
    r"^[^\t\n]*  (?P<service>\S+)@\S+\n\t(?:.*, )?Flags: (?P<flags>\w+)\n"
    r"\tEtype \(skey, tkt\): (?:DEPRECATED:)?(?P<key>\S+), ", re.MULTILINE,
)


def ticket(text: str, service: str) -> dict[str, Any]:
    """Flags and session key of the ticket for a service, out of `klist -e -f`; nothing when there is none."""
    for found in _TICKET.finditer(text):
        if found["service"].lower() == service.lower():
            return {"session_key": KEYS.get(found["key"], found["key"]),
                    "ticket_flags": [word for letter, word in FLAGS.items() if letter in found["flags"]]}
    return {}
