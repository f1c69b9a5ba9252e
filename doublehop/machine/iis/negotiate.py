"""The Negotiate exchange of one connection, leg by leg (RFC 4559, MS-N2HT).

It opens tickets with whatever key it is given and says what it found; it decides nothing about sites.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

import gssapi

from doublehop.codes import ACCEPTOR_ALIASES, NAMES, from_minor, name_of
from doublehop.machine.iis.tokens import kerberos_token

KERBEROS_MECHANISM = gssapi.MechType.kerberos
SPNEGO = b"\x06\x06\x2b\x06\x01\x05\x05\x02"
BAD_BINDINGS = "SEC_E_BAD_BINDINGS"

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


@dataclass(frozen=True, slots=True)
class Channel:
    """The TLS connection that tokens come on, and whether each of them has to name it.

    The library refuses a token that is bound to another connection; one that is bound to none is for us.
    """

    end_point: bytes
    required: bool


class Exchange:
    """One authentication in progress on one connection; `examiner` makes what a refused token is read with again."""

    def __init__(self, credentials: gssapi.Credentials, examiner: Callable[[], gssapi.Credentials],
                 channel: Channel | None = None) -> None:
        self._examiner = examiner
        self._required = channel is not None and channel.required
        bindings = gssapi.raw.ChannelBindings(application_data=channel.end_point) if channel else None
        self._context = gssapi.SecurityContext(creds=credentials, usage="accept", channel_bindings=bindings)

    def step(self, token: bytes) -> Leg:
        """Take the client's next token."""
        try:
            answer = self._context.step(token) or b""
        except gssapi.exceptions.GSSError as failure:
            return Leg(refusal=_refusal(self._from_kerberos_itself(failure, token)))
        if not self._context.complete:
            return Leg(answer=answer)
        refusal = self._unacceptable()
        return Leg(refusal=refusal) if refusal else Leg(answer=answer, caller=Caller(
            principal=str(self._context.initiator_name),
            mechanism="SPNEGO" if SPNEGO in token[:32] else "Kerberos",
            credentials=self._context.delegated_creds,
        ))

    def close(self) -> None:
        """End the exchange with its connection; the library holds nothing outside this process."""

    def _unacceptable(self) -> Refusal | None:
        """Why a context that is whole is not good enough here."""
        if self._context.mech != KERBEROS_MECHANISM:
            return Refusal("SEC_E_UNSUPPORTED_FUNCTION", f"mechanism {self._context.mech}")
        if self._required and not self._context.actual_flags & gssapi.RequirementFlag.channel_bound:
            return Refusal(BAD_BINDINGS, "the token is bound to no channel")
        return None

    def _from_kerberos_itself(self, failure: gssapi.exceptions.GSSError, token: bytes) -> gssapi.exceptions.GSSError:
        """What the token inside a SPNEGO one is refused for.

        Through SPNEGO the library gives numbers of its own (from 100001) instead of Kerberos's codes.
        """
        inner = kerberos_token(token)
        bindings = isinstance(failure, gssapi.exceptions.BadChannelBindingsError)
        if bindings or from_minor(failure.min_code) in NAMES or inner in {b"", token}:
            return failure
        try:
            gssapi.SecurityContext(creds=self._examiner(), usage="accept").step(inner)
        except gssapi.exceptions.GSSError as told:
            return told
        return failure


def _refusal(failure: gssapi.exceptions.GSSError) -> Refusal:
    if isinstance(failure, gssapi.exceptions.BadChannelBindingsError):
        return Refusal(BAD_BINDINGS, str(failure))
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
