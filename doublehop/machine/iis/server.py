"""Sites, bindings and the authentication of each request, on aiohttp.

The order is IIS's: find the site by binding and host header, the application by the longest path, try the
token of the connection, fall back to anonymous if that is on, else 401 with the providers in their order.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import gssapi
from aiohttp import web

from doublehop.frontend import (
    HTTPS,
    AnonymousAuthentication,
    Application,
    Binding,
    FrontEnd,
    HttpSys,
    Pool,
    PoolIdentity,
    Provider,
    Site,
    TokenChecking,
    WindowsAuthentication,
    parse_binding,
)
from doublehop.machine.iis import keys
from doublehop.machine.iis.backends import BackEnd, Outgoing
from doublehop.machine.iis.chain import PageBackEnd
from doublehop.machine.iis.negotiate import Caller, Channel, Exchange, Leg, Refusal, read_token, write_token
from doublehop.machine.iis.pages import Page, Worker

PARSER_LIMIT = 4 << 20
TOO_LONG = "Bad Request - Request Too Long: HTTP Error 400. The size of the request headers is too long."


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One application with everything a request to it needs."""

    name: str
    page: Page
    windows: WindowsAuthentication
    anonymous: AnonymousAuthentication
    opens_with: keys.Account | None


@dataclass(slots=True)
class Connection:
    """What one TCP connection has proven so far; this is state of the connection, as in IIS."""

    exchange: Exchange | None = None
    caller: Caller | None = None
    proven_for: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the web server has whatever its configuration: its own account and the back ends it can reach."""

    account: keys.Account
    back_ends: Mapping[str, BackEnd]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the server shows on its https bindings, and the channel binding that this comes to."""

    context: ssl.SSLContext
    end_point: bytes


@dataclass(slots=True)
class Server:
    """The running web server."""

    machine: Machine
    log: list[dict[str, Any]] = field(default_factory=list)
    _routes: list[tuple[Binding, dict[str, Endpoint]]] = field(default_factory=list)
    _listeners: dict[tuple[str, str, int], web.TCPSite] = field(default_factory=dict)
    _connections: WeakKeyDictionary[Any, Connection] = field(default_factory=WeakKeyDictionary)
    _limits: HttpSys = field(default_factory=HttpSys)
    _runner: web.ServerRunner | None = None
    _certificate: Certificate | None = None
    _back_ends: dict[str, BackEnd | PageBackEnd] = field(default_factory=dict)

    async def configure(self, config: FrontEnd, accounts: Mapping[str, keys.Account],
                        fixed: Mapping[str, Outgoing], pages: Mapping[str, str],
                        certificate: Certificate | None) -> None:
        """Serve this configuration from now on; connections that were open are closed.

        `pages` are the URLs of other front ends' pages that this one can ask as back ends, by name.
        """
        self._certificate = certificate
        self._back_ends = {**self.machine.back_ends, **{name: PageBackEnd(url) for name, url in pages.items()}}
        self._limits = config.httpSys
        self._routes = [
            (parse_binding(text), self._endpoints(name, site, config.applicationPools, accounts, fixed))
            for name, site in config.sites.items()
            for text in site.bindings
        ]
        if self._runner is None:
            server = web.Server(
                self._handle, max_field_size=PARSER_LIMIT, max_line_size=PARSER_LIMIT, tcp_keepalive=False
            )
            self._runner = web.ServerRunner(server)
            await self._runner.setup()
        for transport in list(self._connections):
            transport.close()
        self._connections.clear()
        self.log.clear()
        wanted = {(each.protocol, each.address, each.port) for each, _ in self._routes}
        for gone in [each for each in self._listeners if each not in wanted or each[0] == HTTPS]:
            await self._listeners.pop(gone).stop()  # one with TLS has the certificate of its configuration
        for protocol, address, port in sorted(wanted - self._listeners.keys()):
            site = web.TCPSite(self._runner, None if address == "*" else address, port, reuse_address=True,
                               ssl_context=certificate.context if certificate and protocol == HTTPS else None)
            await site.start()
            self._listeners[protocol, address, port] = site

    def _endpoints(self, site_name: str, site: Site, pools: Mapping[str, Pool], accounts: Mapping[str, keys.Account],
                   fixed: Mapping[str, Outgoing]) -> dict[str, Endpoint]:
        return {
            path: self._endpoint(f"{site_name}{path}", site, each, pools[each.applicationPool], accounts, fixed)
            for path, each in site.applications.items()
        }

    def _endpoint(self, name: str, site: Site, application: Application, pool: Pool,
                  accounts: Mapping[str, keys.Account], fixed: Mapping[str, Outgoing]) -> Endpoint:
        windows = application.windowsAuthentication or site.windowsAuthentication
        worker = Worker(application.applicationPool, pool.identityType, self._account(pool, accounts))
        kernel = windows.useKernelMode and not windows.useAppPoolCredentials
        return Endpoint(
            name=name,
            page=Page(application, worker, self._back_ends, fixed),
            windows=windows,
            anonymous=application.anonymousAuthentication or site.anonymousAuthentication,
            opens_with=self.machine.account if kernel else worker.account,
        )

    def _account(self, pool: Pool, accounts: Mapping[str, keys.Account]) -> keys.Account | None:
        if pool.identityType is PoolIdentity.SpecificUser:
            return accounts[pool.userName]
        return self.machine.account if pool.identityType.is_machine else None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if _too_long(request, self._limits):
            return web.Response(status=400, text=TOO_LONG, headers={"Connection": "close"})
        endpoint = self._find(request)
        if endpoint is None:
            return web.Response(status=404, text="no site is bound to this address")
        connection = self._connections.setdefault(request.transport, Connection())
        leg = await self._authenticate(request, endpoint, connection)
        anonymous = endpoint.anonymous.enabled and "Authorization" not in request.headers
        if leg.caller is None and not anonymous:
            return self._challenge(request, endpoint, leg)
        asked = [each for each in request.query.get("back_ends", "").split(",") if each]
        unknown = [each for each in asked if each.partition(".")[0] not in self._back_ends]
        if unknown:
            return web.json_response({"error": f"no back end is called {unknown[0]}"}, status=400)
        answer = await asyncio.to_thread(
            endpoint.page.whoami, leg.caller, asked=asked, act_as=request.query.get("act_as", "")
        )
        headers = {}
        if leg.answer:
            headers["WWW-Authenticate"] = write_token("Negotiate", leg.answer)
        if leg.caller and _kept(endpoint.windows):
            headers["Persistent-Auth"] = "true"
        self._note(request, endpoint, 200, None)
        return web.json_response(answer, headers=headers)

    def _find(self, request: web.BaseRequest) -> Endpoint | None:
        """The application that serves a request: exact host header before the empty one, longest path first."""
        host = request.host.partition(":")[0].lower()
        address, port = request.transport.get_extra_info("sockname")[:2] if request.transport else ("", 0)
        bound = [each for each in self._routes
                 if each[0].port == port and each[0].host in {"", host} and each[0].address in {"*", address}]
        if not bound:
            return None
        endpoints = max(bound, key=lambda each: len(each[0].host))[1]
        matching = [path for path in endpoints if f"{request.path}/".startswith(f"{path.rstrip('/')}/")]
        return endpoints[max(matching, key=len)] if matching else None

    async def _authenticate(self, request: web.BaseRequest, endpoint: Endpoint, connection: Connection) -> Leg:
        header = request.headers.get("Authorization", "")
        if not header:
            kept = _kept(endpoint.windows) and connection.proven_for == endpoint.name
            return Leg(caller=connection.caller if kept else None)
        connection.caller = None
        offered = _negotiate_offered(endpoint.windows)
        read = read_token(header)
        if read is None or read[0].lower() != "negotiate" or not offered:
            connection.exchange = None
            return Leg(refusal=Refusal("SEC_E_INVALID_TOKEN", "no Negotiate token that this site takes"))
        if endpoint.opens_with is None:
            return Leg(refusal=Refusal("SEC_E_NO_CREDENTIALS", "the worker process has no account in the domain"))
        channel = self._channel(request, endpoint.windows.extendedProtection.tokenChecking)
        leg = await asyncio.to_thread(_step, connection, endpoint.opens_with, read[1], channel)
        if leg.caller or leg.refusal:
            connection.exchange = None
        connection.caller, connection.proven_for = leg.caller, endpoint.name
        return leg

    def _channel(self, request: web.BaseRequest, checking: TokenChecking) -> Channel | None:
        """The channel to hold tokens against: the connection's TLS, unless the site checks none (row B-25)."""
        secure = request.transport is not None and request.transport.get_extra_info("sslcontext") is not None
        if self._certificate is None or not secure or checking is TokenChecking.NONE:
            return None
        return Channel(self._certificate.end_point, required=checking is TokenChecking.REQUIRE)

    def _challenge(self, request: web.BaseRequest, endpoint: Endpoint, leg: Leg) -> web.Response:
        if leg.refusal is None and leg.answer:
            offers = [write_token("Negotiate", leg.answer)]
        else:
            offers = [_header_of(each) for each in endpoint.windows.providers] if endpoint.windows.enabled else []
        self._note(request, endpoint, 401, leg.refusal)
        response = web.Response(status=401, text="401 - Unauthorized: Access is denied due to invalid credentials.")
        for each in offers:
            response.headers.add("WWW-Authenticate", each)
        return response

    def _note(self, request: web.BaseRequest, endpoint: Endpoint, status: int, refusal: Refusal | None) -> None:
        self.log.append({
            "request": f"{request.method} {request.path}", "application": endpoint.name, "status": status,
            "opens_with": endpoint.opens_with.name if endpoint.opens_with else "",
            "error": refusal.error if refusal else "", "native": refusal.native if refusal else "",
        })


def _step(connection: Connection, account: keys.Account, token: bytes, channel: Channel | None) -> Leg:
    try:
        connection.exchange = connection.exchange or Exchange(_accepting(account), channel)
    except gssapi.exceptions.GSSError as failure:
        return Leg(refusal=Refusal("SEC_E_NO_CREDENTIALS", str(failure)))
    return connection.exchange.step(token)


def _accepting(account: keys.Account) -> gssapi.Credentials:
    """The account's credentials; a ticket needs no KDC to be opened, so an account that cannot sign in accepts."""
    try:
        return account.credentials()
    except gssapi.exceptions.GSSError:
        return account.acceptor()


def _too_long(request: web.BaseRequest, limits: HttpSys) -> bool:
    """Whether HTTP.sys would not read the request: one header, or its head as a whole (rows B-26, B-27)."""
    fields = [len(name) + len(value) for name, value in request.raw_headers]
    head = len(f"{request.method} {request.raw_path} HTTP/1.1\r\n") + sum(each + len(": \r\n") for each in fields)
    return max(fields, default=0) > limits.MaxFieldLength or head + len("\r\n") > limits.MaxRequestBytes


def _kept(windows: WindowsAuthentication) -> bool:
    """Whether a connection stays authenticated after a request (rows B-23, B-24)."""
    return windows.authPersistNonNTLM and not windows.authPersistSingleRequest


def _negotiate_offered(windows: WindowsAuthentication) -> bool:
    return windows.enabled and any(each is not Provider.NTLM for each in windows.providers)


def _header_of(provider: Provider) -> str:
    return "NTLM" if provider is Provider.NTLM else "Negotiate"
