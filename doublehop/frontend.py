"""A front end's configuration in IIS's own words, as frozen records.

Names of sections and attributes are those of `applicationHost.config` (IIS configuration reference:
`<sites>`, `<applicationPools>`, `<windowsAuthentication>`), so that one record serves the reference
front end and real IIS alike.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

STRICT: dict[str, Any] = {"extra": "forbid"}
"""What pydantic is told about every record read from a file: an unknown key is an error."""


class PoolIdentity(StrEnum):
    """Who a worker process runs as (`<processModel identityType>`)."""

    ApplicationPoolIdentity = "ApplicationPoolIdentity"
    NetworkService = "NetworkService"
    LocalSystem = "LocalSystem"
    LocalService = "LocalService"
    SpecificUser = "SpecificUser"

    @property
    def is_machine(self) -> bool:
        """Whether the pool is the computer account on the network (row B-09)."""
        return self in {self.ApplicationPoolIdentity, self.NetworkService, self.LocalSystem}


class Provider(StrEnum):
    """One line of `<windowsAuthentication><providers>`."""

    Negotiate = "Negotiate"
    NegotiateKerberos = "Negotiate:Kerberos"
    NTLM = "NTLM"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """An application pool; `userName` is meant for `SpecificUser` only."""

    __pydantic_config__ = STRICT

    identityType: PoolIdentity = PoolIdentity.ApplicationPoolIdentity
    userName: str = ""


class TokenChecking(StrEnum):
    """How much a site makes of channel bindings (`<extendedProtection tokenChecking>`)."""

    NONE = "None"
    ALLOW = "Allow"
    REQUIRE = "Require"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtendedProtection:
    """`<extendedProtection>`: with TLS, whether a token has to be bound to the connection it comes on (row B-25)."""

    __pydantic_config__ = STRICT

    tokenChecking: TokenChecking = TokenChecking.NONE


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowsAuthentication:
    """`<windowsAuthentication>`, with the defaults of IIS 7.5 and later.

    The default of `authPersistNonNTLM` is in conflict between sources (row B-23); scenarios that rest on
    it say what they set.
    """

    __pydantic_config__ = STRICT

    enabled: bool = True
    providers: tuple[Provider, ...] = (Provider.Negotiate, Provider.NTLM)
    useKernelMode: bool = True
    useAppPoolCredentials: bool = False
    authPersistNonNTLM: bool = True
    authPersistSingleRequest: bool = False
    extendedProtection: ExtendedProtection = ExtendedProtection()


@dataclass(frozen=True, kw_only=True, slots=True)
class AnonymousAuthentication:
    """`<anonymousAuthentication>`; the lab's sites have it off unless a scenario is about it."""

    __pydantic_config__ = STRICT

    enabled: bool = False


class LogonMethod(StrEnum):
    """How Basic logs a user on (`<basicAuthentication logonMethod>`); the two that differ on hop 2."""

    ClearText = "ClearText"
    Network = "Network"


@dataclass(frozen=True, kw_only=True, slots=True)
class BasicAuthentication:
    """`<basicAuthentication>`: with `ClearText` IIS keeps the password for the next hop (row C-31)."""

    __pydantic_config__ = STRICT

    enabled: bool = False
    logonMethod: LogonMethod = LogonMethod.ClearText


@dataclass(frozen=True, kw_only=True, slots=True)
class ImpersonateAs:
    """`<identity impersonate="true" userName="..." password="...">`: a fixed account on the thread (row B-14)."""

    __pydantic_config__ = STRICT

    userName: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Application:
    """An application on a path of a site; what it leaves out it inherits from the site."""

    __pydantic_config__ = STRICT

    applicationPool: str = "DefaultAppPool"
    impersonate: bool | ImpersonateAs = False
    windowsAuthentication: WindowsAuthentication | None = None
    anonymousAuthentication: AnonymousAuthentication | None = None
    basicAuthentication: BasicAuthentication | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A site: `bindings` are IIS bindingInformation strings, `address:port:host`.

    A protocol may stand before them, as in `appcmd set site /bindings`: `https/*:443:host`.
    """

    __pydantic_config__ = STRICT

    bindings: tuple[str, ...] = ("*:80:",)
    applications: dict[str, Application] = field(default_factory=lambda: {"/": Application()})
    windowsAuthentication: WindowsAuthentication = WindowsAuthentication()
    anonymousAuthentication: AnonymousAuthentication = AnonymousAuthentication()
    basicAuthentication: BasicAuthentication = BasicAuthentication()


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpSys:
    """Limits of a request in bytes: values of the registry key `Services/HTTP/Parameters`.

    `MaxFieldLength` is for one header, `MaxRequestBytes` for the request line and all headers (KB 820129).
    """

    __pydantic_config__ = STRICT

    MaxFieldLength: int = 16384
    MaxRequestBytes: int = 16384


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontEnd:
    """Everything one web server is configured with."""

    __pydantic_config__ = STRICT

    applicationPools: dict[str, Pool] = field(default_factory=lambda: {"DefaultAppPool": Pool()})
    sites: dict[str, Site] = field(default_factory=lambda: {"Default Web Site": Site()})
    httpSys: HttpSys = HttpSys()


@dataclass(frozen=True, slots=True)
class Binding:
    """One parsed bindingInformation string; an empty `host` takes every name."""

    address: str
    port: int
    host: str
    protocol: str = "http"


HTTPS = "https"
_BINDING = re.compile(
    r"((?P<protocol>https?)/)?(?P<address>\*|[0-9]{1,3}(\.[0-9]{1,3}){3}):(?P<port>[0-9]{1,5}):(?P<host>[^:\s]*)"
)


def parse_binding(text: str) -> Binding:
    """Read `address:port:host`, with or without `http/` or `https/` before it.

    Raises ValueError with the expected form when the text is something else.
    """
    found = _BINDING.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise ValueError(f"expected address:port:host such as '*:80:', not {text!r}")
    return Binding(address=found["address"], port=int(found["port"]), host=found["host"].lower(),
                   protocol=found["protocol"] or "http")


COMPUTER = "the computer"


@dataclass(frozen=True, slots=True)
class Served:
    """One application on one binding, with whose key opens tickets for it and whose process goes out.

    Both are labels of accounts, `COMPUTER` or, for who has no account on the network, empty.
    """

    binding: Binding
    path: str
    windows: WindowsAuthentication
    anonymous: AnonymousAuthentication
    opens_as: str
    runs_as: str


def served(front_end: FrontEnd) -> Iterator[Served]:
    """Everything that a web server is to serve, once its bindings hold full names."""
    for site in front_end.sites.values():
        for path, each in site.applications.items():
            pool = front_end.applicationPools[each.applicationPool]
            runs_as = pool.userName or (COMPUTER if pool.identityType.is_machine else "")
            windows = each.windowsAuthentication or site.windowsAuthentication
            kernel = windows.useKernelMode and not windows.useAppPoolCredentials
            anonymous = each.anonymousAuthentication or site.anonymousAuthentication
            for text in site.bindings:
                yield Served(parse_binding(text), path, windows, anonymous, COMPUTER if kernel else runs_as, runs_as)
