"""What a scenario asks, and what should be seen of it at every hop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from doublehop.frontend import STRICT
from doublehop.model.given import Encryption, Given
from doublehop.model.lab import Need


class Zone(StrEnum):
    """Where the browser puts the site; only the first two answer with the user's own credentials (row E-02)."""

    INTRANET = "intranet"
    TRUSTED = "trusted"
    INTERNET = "internet"


class Scheme(StrEnum):
    """How a server says its caller proved who it is."""

    KERBEROS = "Kerberos"
    NTLM = "NTLM"
    BASIC = "Basic"
    ANONYMOUS = "Anonymous"


class Program(StrEnum):
    """What asks for the page."""

    BROWSER = "browser"
    CURL = "curl"
    DOTNET = "dotnet"


class Level(StrEnum):
    """What a token allows its holder to do with the identity in it (SECURITY_IMPERSONATION_LEVEL)."""

    ANONYMOUS = "Anonymous"
    IDENTIFY = "Identify"
    IMPERSONATE = "Impersonate"
    DELEGATE = "Delegate"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientProfile:
    """How the browser behaves; the defaults are a Windows browser with the site in the intranet zone.

    `integrated` off makes it pass over Negotiate (row E-01). `ntlm` lets it go on with NTLM where the KDC knows
    no such SPN, or where nothing but NTLM is offered. `basic` is a user who types name and password when the
    site asks for them, after everything else was tried. `encryption_types` are those that the client's policy allows
    for Kerberos, AES256 among them; all that its library knows when empty. `delegate` off is a site on no list of
    those that the browser delegates to (AuthNegotiateDelegateAllowlist, row E-06).

    With `program = "curl"` the real curl asks. Its `--delegation` is `none` without `delegate`, `policy` as a
    client that honours ok-as-delegate, and `always` as one that does not; with `http2` it offers HTTP/2. With
    `program = "dotnet"` .NET's HttpClient asks with default credentials.
    """

    __pydantic_config__ = STRICT

    zone: Zone = Zone.INTRANET
    integrated: bool = True
    canonicalise: bool = True
    port_in_spn: bool = False
    honour_ok_as_delegate: bool = True
    channel_binding: bool = True
    ntlm: bool = True
    basic: bool = False
    encryption_types: tuple[Encryption, ...] = ()
    delegate: bool = True
    program: Program = Program.BROWSER
    http2: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One page asked for by a user: `get` is the URL, `back_ends` what the page asks in turn.

    `act_as` makes the page take on a named user by itself (`new WindowsIdentity(upn)`, MS-SFU 3.1.5.1.1).
    `times` sends it again on the same connection. `after` is another user, whose browser asks for the same
    page just before and gets it.
    """

    __pydantic_config__ = STRICT

    get: str
    user: str = "alice"
    client: ClientProfile = ClientProfile()
    back_ends: tuple[str, ...] = ("sql",)
    act_as: str = ""
    times: int = 1
    after: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Right:
    """A right to delegate that somebody tries to give an account; one of the facts of `Principal`."""

    __pydantic_config__ = STRICT

    trusted_for_delegation: bool = False
    trusted_to_auth_for_delegation: bool = False
    allowed_to_delegate_to: tuple[str, ...] = ()
    principals_allowed_to_delegate_to_account: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """An attempt to write into the directory, by an administrator or an account.

    Either an SPN, as `setspn` does, or a right to delegate (row C-36).
    """

    __pydantic_config__ = STRICT

    register: str = ""
    grant: Right = Right()
    on: str
    by: str = "administrator"


When = Request | Registration


@dataclass(frozen=True, kw_only=True, slots=True)
class Expect:
    """What should be seen at every hop; an empty field says that nothing is to be seen there.

    `spn` is what the client asks the KDC for and `kdc` the error it answers (empty: a ticket). `error` is
    the front end's reason for a 401. `sees` and `fails` name, for each back end asked, the identity it
    reports or the error that stopped the second hop; `refused` is Kerberos's error where a page has another word for
    it, and is never written in a scenario (`front_ends`). `http` is the version of HTTP that was spoken,
    `directory` the LDAP result of a registration. `encryption` is the type that hop 1's ticket is encrypted with.
    `session_key` and `ticket_flags` are what klist shows of that ticket on the client (row E-24).

    `unasked` is why the page is never asked for, `NAME_NOT_RESOLVED`; then nothing else is to be seen.
    """

    __pydantic_config__ = STRICT

    spn: str = ""
    kdc: str = ""
    status: int = 0
    offers: tuple[str, ...] | None = None
    error: str = ""
    scheme: str = ""
    user: str = ""
    level: str = ""
    thread: str | None = None
    sees: dict[str, str] = field(default_factory=dict)
    fails: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    handshakes: int | None = None
    http: str | None = None
    encryption: Encryption | None = None
    session_key: Encryption | None = None
    ticket_flags: tuple[str, ...] | None = None
    unasked: str = ""
    directory: str = ""

    @property
    def ntlm(self) -> bool:
        """Whether the domain controller is asked about NTLM: it lets somebody in, or says its status."""
        return self.scheme == Scheme.NTLM or self.error.startswith("STATUS_")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One configuration, one request, one expected outcome, with the sources it rests on.

    `flips` is the id of the scenario it starts from and `changed` the leaves it changes there; `raw` is its
    `given` and `when` as written, for others to start from.
    """

    id: str
    title: str
    why: str
    sources: tuple[str, ...]
    given: Given
    when: When
    expect: Expect
    needs: tuple[Need, ...] = ()
    flips: str = ""
    changed: tuple[str, ...] = ()
    path: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def works(self) -> bool:
        """Whether the published outcome is that every back end sees the person who asked."""
        seen = set(self.expect.sees.values())
        return isinstance(self.when, Request) and seen == {self.when.user} and not self.expect.fails
