"""What a scenario says and what a run of it saw, as frozen records and closed sets.

Nothing here decides anything: records are read by the pure layer and filled by the effects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from doublehop.frontend import STRICT, FrontEnd


class Role(StrEnum):
    """What a machine is for in a topology."""

    DOMAIN_CONTROLLER = "domain-controller"
    FRONT_END = "front-end"
    BACK_END = "back-end"
    CLIENT = "client"


class Need(StrEnum):
    """Something a scenario requires of a lab; a lab lists what it has."""

    KERBEROS = "kerberos"
    """A KDC whose tickets the front end and the back end can open."""
    RBCD = "rbcd"
    """A KDC that reads msDS-AllowedToActOnBehalfOfOtherIdentity (Samba from 4.19; row C-13)."""
    WINDOWS = "windows"
    """Windows itself: HTTP.sys, IIS's own accounts, Credential Guard (rows B-01, B-09, C-26)."""
    TWO_FRONT_ENDS = "two-front-ends"
    """A second web server in the same domain."""
    OFFLINE_DIRECTORY = "offline-directory"
    """Write access to the directory below its own checks, to plant what it would refuse (row A-10)."""
    NTLM = "ntlm"
    """Front ends that have NTLM checked by the domain controller (rows A-01, S-06)."""
    CLIENT_NETWORK = "client-network"
    """The client's routes and hosts file are the lab's to change (rows A-02, A-28)."""
    NETWORK = "network"
    """The routes of servers are the lab's to change."""
    GMSA = "gmsa"
    """A directory that hands out managed passwords (Samba from 4.21; row A-30)."""
    CLOCKS = "clocks"
    """The clocks of clients and front ends are the lab's to set wrong (row E-20)."""
    RESOURCE_SIDS = "resource-sids"
    """A KDC that writes local groups into tickets as Windows does, short or in full (Samba from 4.19; row B-27)."""
    TRUST = "trust"
    """A second domain in a forest of its own, and a two-way forest trust (rows C-23, C-24)."""
    REVERSE_PROXY = "reverse-proxy"
    """Web servers that run the lab's own reverse proxy."""
    OTHER_CLIENTS = "other-clients"
    """A client that can be other programs than its system's own, and have other policies (rows E-15, B-30)."""
    STANDING_SIGN_INS = "standing-sign-ins"
    """Users and services that stay signed in while the directory changes around them."""
    COMPUTER_PASSWORDS = "computer-passwords"
    """The lab knows, and may set, the passwords of its computers' accounts."""
    REQUEST_LIMITS = "request-limits"
    """Web servers whose limits of a request can be changed without a restart of the machine (rows B-26, B-27)."""
    BASIC = "basic"
    """Front ends that take a name and a password (row C-31)."""
    ACT_AS = "act-as"
    """Pages that make the identity of a user by themselves, `new WindowsIdentity(upn)` (MS-SFU 3.1.5.1.1)."""
    PORT_SHARING = "port-sharing"
    """Sites of several accounts behind one port, as HTTP.sys has them (row B-03)."""
    ASP_IDENTITY = "asp-identity"
    """ASP.NET's `<identity>` for more than a caller who said who it is: its own user, or IUSR (rows B-13, B-14)."""
    SHARED_POOL = "shared-pool"
    """Several applications in one pool, and so in one process."""
    DOTNET = "dotnet"
    """A host with .NET, which the machines are given a copy of."""


OF_FRONT_ENDS = frozenset({Need.BASIC, Need.ACT_AS, Need.PORT_SHARING, Need.ASP_IDENTITY, Need.SHARED_POOL})
"""What is a matter of the front end alone, whoever brings its machine up."""


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


class Encryption(StrEnum):
    """A Kerberos encryption type, or another bit of msDS-SupportedEncryptionTypes (MS-KILE 2.2.7, row G-09)."""

    DES = "DES"
    RC4 = "RC4"
    AES128 = "AES128"
    AES256 = "AES256"
    AES256_SK = "AES256-SK"
    RESOURCE_SID_COMPRESSION_DISABLED = "resource-SID-compression-disabled"


class Domain(StrEnum):
    """One of the lab's two domains, each the root of its own forest."""

    OWN = "own"
    """The domain of the front ends and of everything that is said to be nowhere else."""
    PARTNER = "partner"
    """The other side of the trust."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Facts the directory holds about one account, by the names the AD cmdlets give them.

    For an account that the scenario owns these are all its facts; for a machine's own account they come
    on top of what the machine was joined with, and are taken back afterwards.

    `supported_encryption_types` is msDS-SupportedEncryptionTypes, unset when empty; `keytab_encryption_types`
    are the keys that the front end was given of a pool's account. Without `aes_keys` the account's password
    is older than the domain's AES keys (row G-02). `groups` are global, `domain_local_groups` local groups.
    An account is a gMSA when it says who may retrieve its password. `full_control` names those whom the account's
    access control list gives every right to it. A user may be of the partner's `domain`.
    """

    __pydantic_config__ = STRICT

    spns: tuple[str, ...] = ()
    without_spns: tuple[str, ...] = ()
    trusted_for_delegation: bool = False
    trusted_to_auth_for_delegation: bool = False
    account_not_delegated: bool = False
    allowed_to_delegate_to: tuple[str, ...] = ()
    principals_allowed_to_delegate_to_account: tuple[str, ...] = ()
    protected_user: bool = False
    groups: int = 0
    domain_local_groups: int = 0
    supported_encryption_types: tuple[Encryption, ...] = (Encryption.AES128, Encryption.AES256)
    keytab_encryption_types: tuple[Encryption, ...] = (Encryption.AES256, Encryption.AES128)
    aes_keys: bool = True
    principals_allowed_to_retrieve_managed_password: tuple[str, ...] = ()
    full_control: tuple[str, ...] = ()
    sql_login: bool = True
    domain: Domain = Domain.OWN

    @property
    def managed(self) -> bool:
        """Whether it is a group managed service account, whose password only the directory knows."""
        return bool(self.principals_allowed_to_retrieve_managed_password)


@dataclass(frozen=True, kw_only=True, slots=True)
class AfterSignIn:
    """What an administrator does to an account once users have their TGT and servers their keys.

    `password_reset` gives it a new password, which no keytab follows; `enabled = false` disables it;
    `change_password_at_logon` lets its password expire at once.
    """

    __pydantic_config__ = STRICT

    password_reset: bool = False
    enabled: bool = True
    change_password_at_logon: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """A reverse proxy on a port of a web server's machine, to another one: `to` is `http://web1` or `https://web1`.

    It speaks on both sides what it speaks to the server; with TLS it has a certificate of its own. With
    `connection_affinity` each client's connection has its own to the server; without, all share one.
    """

    __pydantic_config__ = STRICT

    to: str
    port: int = 8080
    connection_affinity: bool = True


class RestrictNtlm(StrEnum):
    """The policy *Network security: Restrict NTLM: NTLM authentication in this domain*; its two ends."""

    DISABLE = "Disable"
    DENY_ALL = "Deny all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """The two-way forest trust with the partner's domain; its encryption types are those of both trust objects."""

    __pydantic_config__ = STRICT

    supported_encryption_types: tuple[Encryption, ...] = (Encryption.AES128, Encryption.AES256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """One configuration of the whole lab.

    `names` maps a label to a record in zone-file words, `A web1` or `CNAME web1`, or to `none`; the label lives
    in a DNS subdomain that belongs to the scenario alone. `duplicate_spns` are planted below the directory's
    own uniqueness check.

    `back_ends` are pages that every front end can ask as it asks the database, a name
    and a URL each; a request for `api.sql` asks the page `api`, and has it ask `sql` in turn (row C-27).
    `proxies` are reverse proxies by the machine they run on.

    `dc_unreachable_from` names machines that cannot reach the domain controller when
    the request is made, and `clocks` says how far a machine's clock is off then, such as `+10m`; users have
    signed in and services have started before. `after_sign_in` is what happens to accounts in between.
    `credential_guard_on` names machines that run Credential Guard, which gives nobody's TGT away (row C-26).
    `trust` is the one with the partner's domain, which is there whenever something is of that domain.
    `restrict_ntlm_in_this_domain = "Deny all"` makes the domain controller refuse every NTLM logon (row E-26).
    """

    __pydantic_config__ = STRICT

    names: dict[str, str] = field(default_factory=dict)
    users: dict[str, Principal] = field(default_factory=lambda: {"alice": Principal()})
    accounts: dict[str, Principal] = field(default_factory=dict)
    computers: dict[str, Principal] = field(default_factory=dict)
    front_ends: dict[str, FrontEnd] = field(default_factory=lambda: {"web1": FrontEnd()})
    duplicate_spns: dict[str, str] = field(default_factory=dict)
    client_hosts: dict[str, str] = field(default_factory=dict)
    back_ends: dict[str, str] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    dc_unreachable_from: tuple[str, ...] = ()
    clocks: dict[str, str] = field(default_factory=dict)
    after_sign_in: dict[str, AfterSignIn] = field(default_factory=dict)
    credential_guard_on: tuple[str, ...] = ()
    trust: Trust = Trust()
    restrict_ntlm_in_this_domain: RestrictNtlm = RestrictNtlm.DISABLE


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientProfile:
    """How the browser behaves; the defaults are a Windows browser with the site in the intranet zone.

    `integrated` off makes it pass over Negotiate (row E-01). `ntlm` lets it go on with NTLM where the KDC knows
    no such SPN, or where nothing but NTLM is offered. `basic` is a user who types name and password when the
    site asks for them, after everything else was tried. `encryption_types` are those that the client's policy allows
    for Kerberos, AES256 among them; all that its library knows when empty. `delegate` off is a site on no list of
    those that the browser delegates to (AuthNegotiateDelegateAllowlist, row E-06).

    With `program = "curl"` the real curl asks. Its `--delegation` is `none` without `delegate`, `policy` as a
    client that honours ok-as-delegate, and `always` as one that does not. With `program = "dotnet"` .NET's HttpClient
    asks with default credentials.
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
    http2: bool = False
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
