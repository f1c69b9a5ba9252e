"""Sites, bindings and the authentication of each request, on aiohttp.

The order is IIS's: find the site by binding and host header, the application by the longest path, try the
token of the connection, fall back to anonymous if that is on, else 401 with the providers in their order.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

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
    Site,
    TokenChecking,
    parse_binding,
)
from doublehop.machine.iis import keys
from doublehop.machine.iis.backends import BackEnd, Outgoing
from doublehop.machine.iis.chain import PageBackEnd
from doublehop.machine.iis.logon import Connection, Logon
from doublehop.machine.iis.negotiate import Channel, Leg, Refusal, read_token, write_token
from doublehop.machine.iis.ntlm import Helpers
from doublehop.machine.iis.pages import Page, Worker

PARSER_LIMIT = 4 << 20
TOO_LONG = "Bad Request - Request Too Long: HTTP Error 400. The size of the request headers is too long."


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One application with everything a request to it needs."""

    name: str
    page: Page
    logon: Logon
    anonymous: AnonymousAuthentication


@dataclass(frozen=True, slots=True)
class Machine:
    """What the web server has whatever its configuration: its own account and the back ends it can reach."""

    account: keys.Account
    back_ends: Mapping[str, BackEnd]
    helpers: Helpers


class Listener(web.Server):  # type: ignore[misc]  # the host has no aiohttp
    """aiohttp's server, which also says when a connection ends: what a connection has proven ends with it."""

    def __init__(self, handler: Any, ended: Callable[[Any], None], **options: Any) -> None:
        super().__init__(handler, **options)
        self._ended = ended

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        """Called by aiohttp while the connection still knows its transport."""
        self._ended(handler.transport)
        super().connection_lost(handler, exc)


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
            server = Listener(
                self._handle, self._drop, max_field_size=PARSER_LIMIT, max_line_size=PARSER_LIMIT, tcp_keepalive=False,
                lingering_time=0,  # a body that nobody read ends its connection, as with HTTP.sys (row B-40)
            )
            self._runner = web.ServerRunner(server)
            await self._runner.setup()
        for transport in list(self._connections):
            transport.close()
            self._drop(transport)
        self.log.clear()
        wanted = {(each.protocol, each.address, each.port) for each, _ in self._routes}
        for gone in [each for each in self._listeners if each not in wanted or each[0] == HTTPS]:
            await self._listeners.pop(gone).stop()  # one with TLS has the certificate of its configuration
        for protocol, address, port in sorted(wanted - self._listeners.keys()):
            site = web.TCPSite(self._runner, None if address == "*" else address, port, reuse_address=True,
                               ssl_context=certificate.context if certificate and protocol == HTTPS else None)
            await site.start()
            self._listeners[protocol, address, port] = site

    def noted(self) -> list[dict[str, Any]]:
        """What came of each request since the configuration, or since this was forgotten."""
        return list(self.log)

    def forget(self) -> None:
        """Note requests from here on."""
        self.log.clear()

    def _drop(self, transport: Any) -> None:
        connection = self._connections.pop(transport, None)
        if connection is not None:
            connection.caller, connection.ended = None, True
            # A helper may be busy with a message, so it is ended beside the loop.
            asyncio.get_running_loop().run_in_executor(None, connection.forget_exchange)

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
        opens_with = self.machine.account if kernel else worker.account
        return Endpoint(
            name=name,
            page=Page(application, worker, self._back_ends, fixed, opens_with),
            logon=Logon(windows, application.basicAuthentication or site.basicAuthentication, opens_with,
                        self.machine.helpers),
            anonymous=application.anonymousAuthentication or site.anonymousAuthentication,
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
        async for _ in request.content.iter_any():
            pass  # a page has what was posted before it runs; one that nobody may see leaves it where it is
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
        if leg.caller and endpoint.logon.kept(leg.caller):
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
            kept = endpoint.logon.kept(connection.caller) and connection.proven_for == endpoint.name
            return Leg(caller=connection.caller if kept else None)
        connection.caller = None
        channel = self._channel(request, endpoint.logon.windows.extendedProtection.tokenChecking)
        leg = await asyncio.to_thread(endpoint.logon.prove, connection, read_token(header), channel)
        if leg.caller or leg.refusal or connection.ended:  # it may have ended while its token was read
            connection.forget_exchange()
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
            offers = [endpoint.logon.next_leg(request.headers["Authorization"], leg.answer)]
        else:
            offers = endpoint.logon.offers(request.host)
        self._note(request, endpoint, 401, leg.refusal)
        response = web.Response(status=401, text="401 - Unauthorized: Access is denied due to invalid credentials.")
        for each in offers:
            response.headers.add("WWW-Authenticate", each)
        return response

    def _note(self, request: web.BaseRequest, endpoint: Endpoint, status: int, refusal: Refusal | None) -> None:
        opens_with = endpoint.logon.opens_with
        self.log.append({
            "request": f"{request.method} {request.path}", "application": endpoint.name, "status": status,
            "opens_with": opens_with.name if opens_with else "",
            "error": refusal.error if refusal else "", "native": refusal.native if refusal else "",
        })


def _too_long(request: web.BaseRequest, limits: HttpSys) -> bool:
    """Whether HTTP.sys would not read the request: one header, or its head as a whole (rows B-26, B-27)."""
    fields = [len(name) + len(value) for name, value in request.raw_headers]
    head = len(f"{request.method} {request.raw_path} HTTP/1.1\r\n") + sum(each + len(": \r\n") for each in fields)
    return max(fields, default=0) > limits.MaxFieldLength or head + len("\r\n") > limits.MaxRequestBytes
