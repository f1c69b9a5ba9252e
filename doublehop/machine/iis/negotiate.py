"""The Negotiate exchange of one connection, leg by leg (RFC 4559, MS-N2HT).

It opens tickets with whatever key it is given and says what it found; it decides nothing about sites.
"""

import base64
import binascii
from dataclasses import dataclass

import gssapi

from doublehop.codes import ACCEPTOR_ALIASES, from_minor, name_of

KERBEROS_MECHANISM = gssapi.MechType.kerberos
SPNEGO = b"\x06\x06\x2b\x06\x01\x05\x05\x02"

# A refused token raises in its own step; by default the library hands out its error token first.
gssapi.SecurityContext.__DEFER_STEP_ERRORS__ = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone who proved who they are, by a ticket unless `scheme` says otherwise.

    `credentials` is what can go out in their name: the TGT they forwarded, or else the right to ask the KDC
    for proxy tickets, which it may refuse. A caller by NTLM left none.
    """

    principal: str
    mechanism: str
    credentials: gssapi.Credentials | None
    scheme: str = "Kerberos"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A token that authenticated nobody: the Kerberos name for it and the library's own words."""

    error: str
    native: str


@dataclass(frozen=True, slots=True)
class Leg:
    """What one token came to: a caller, a refusal, or neither while more legs are needed."""

    caller: Caller | None = None
    refusal: Refusal | None = None
    answer: bytes = b""


class Exchange:
    """One authentication in progress on one connection."""

    def __init__(self, credentials: gssapi.Credentials) -> None:
        self._context = gssapi.SecurityContext(creds=credentials, usage="accept")

    def step(self, token: bytes) -> Leg:
        """Take the client's next token."""
        try:
            answer = self._context.step(token) or b""
        except gssapi.exceptions.GSSError as failure:
            return Leg(refusal=_refusal(failure))
        if not self._context.complete:
            return Leg(answer=answer)
        if self._context.mech != KERBEROS_MECHANISM:
            return Leg(refusal=Refusal("SEC_E_UNSUPPORTED_FUNCTION", f"mechanism {self._context.mech}"))
        return Leg(answer=answer, caller=Caller(
            principal=str(self._context.initiator_name),
            mechanism="SPNEGO" if SPNEGO in token[:32] else "Kerberos",
            credentials=self._context.delegated_creds,
        ))

    def close(self) -> None:
        """End the exchange with its connection; the library holds nothing outside this process."""


def _refusal(failure: gssapi.exceptions.GSSError) -> Refusal:
    offset = from_minor(failure.min_code)
    known = ACCEPTOR_ALIASES.get(offset, offset)
    named = name_of(known)
    if named.startswith("UNKNOWN"):
        named = "SEC_E_INVALID_TOKEN"
    return Refusal(named, str(failure))


def read_token(header: str) -> tuple[str, bytes] | None:
    """Split an Authorization header into its scheme and its token; None when it has no such form."""
    scheme, _, text = header.strip().partition(" ")
    try:
        return scheme, base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None


def write_token(scheme: str, token: bytes) -> str:
    """An answer's WWW-Authenticate value."""
    return f"{scheme} {base64.b64encode(token).decode()}" if token else scheme
