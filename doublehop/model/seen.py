"""What a run of a scenario saw at every hop, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from doublehop.model.scenario import Scenario


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientSaw:
    """Hop 1 from the client's side: the SPN it asked for, and what came of it.

    `error` is the name of the Kerberos error that kept it from sending a ticket; `handshakes` counts how often
    it proved itself, where NTLM's two messages are one time. `token` is how the last of those messages begins
    and `token_size` its length in the header; `session_key` and `ticket_flags` are klist's words for the ticket.
    `unasked` is why it could not even ask for the page.
    """

    spn: str = ""
    error: str = ""
    status: int = 0
    offers: tuple[str, ...] = ()
    delegated: bool = False
    handshakes: int = 0
    mutual: bool = False
    http: str = ""
    body: str = ""
    token: str = ""
    token_size: int = 0
    session_key: str = ""
    ticket_flags: tuple[str, ...] = ()
    unasked: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontEndSaw:
    """Hop 1 from the server's side; `error` is why it refused, with the library's own words in `native`."""

    scheme: str = ""
    user: str = ""
    level: str = ""
    thread: str = ""
    pool: str = ""
    error: str = ""
    native: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BackEndSaw:
    """Hop 2: who the back end says is connected, or the exact error instead."""

    identity: str = ""
    scheme: str = ""
    encrypted: bool = False
    error: str = ""
    native: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class KdcLine:
    """One ticket request as the KDC's own log tells it; `error` is empty when a ticket was issued.

    `encryption` is the type that the issued ticket is encrypted with.
    """

    kind: str
    client: str
    service: str
    error: str = ""
    reason: str = ""
    impersonated: str = ""
    encryption: str = ""
    text: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What each hop of one request saw. It judges nothing."""

    client: ClientSaw = ClientSaw()
    front_end: FrontEndSaw | None = None
    back_ends: Mapping[str, BackEndSaw] = field(default_factory=dict)
    kdc: tuple[KdcLine, ...] = ()
    directory: str = ""


class VerdictKind(StrEnum):
    """The four ends of a scenario. They are never mixed and always counted."""

    AGREED = "agreed"
    DISAGREED = "disagreed"
    BROKEN = "broken"
    NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One field of one hop that was not as published."""

    hop: str
    field: str
    expected: str
    observed: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """How one scenario ended, and why when it did not agree."""

    kind: VerdictKind
    differences: tuple[Difference, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Logged:
    """Something that a machine noted in a log of its own, in words; `data` has all of it.

    `time` is by the machine's own clock, and empty for what only says how things stand, such as the tickets held.
    """

    machine: str
    log: str
    text: str
    time: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One scenario's end with everything collected on the way; `seconds` is wall time.

    `logged` is asked for only where a scenario did not agree, since nothing else needs more than was observed.
    """

    scenario: Scenario
    verdict: Verdict
    observation: Observation | None = None
    logged: tuple[Logged, ...] = ()
    seconds: float = 0.0
