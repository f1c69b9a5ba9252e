"""Sites, bindings and the authentication of each request, on aiohttp.

The order is IIS's: find the site by binding and host header, the application by the longest path, try the
token of the connection, fall back to anonymous if that is on, else 401 with the providers in their order.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import web

from doublehop.frontend import (
    AnonymousAuthentication,
    Application,
    Binding,
    FrontEnd,
    Pool,
    PoolIdentity,
    Site,
    parse_binding,
)
from doublehop.machine.iis import keys
from doublehop.machine.iis.backends import BackEnd, Outgoing
from doublehop.machine.iis.logon import Connection, Logon
from doublehop.machine.iis.negotiate import Leg, Refusal, read_token, write_token
from doublehop.machine.iis.ntlm import Helpers
from doublehop.machine.iis.pages import Page, Worker

LONGEST_HEADER = 65534
"""HTTP.sys's largest MaxFieldLength (KB 2020943); longer fields are HTTP 400."""
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


@dataclass(slots=True)
class Server:
    """The running web server."""

    machine: Machine
    log: list[dict[str, Any]] = field(default_factory=list)
    _routes: list[tuple[Binding, dict[str, Endpoint]]] = field(default_factory=list)
    _listeners: dict[tuple[str, int], web.TCPSite] = field(default_factory=dict)
    _connections: WeakKeyDictionary[Any, Connection] = field(default_factory=WeakKeyDictionary)
    _runner: web.ServerRunner | None = None

    async def configure(self, config: FrontEnd, accounts: Mapping[str, keys.Account],
                        fixed: Mapping[str, Outgoing]) -> None:
        """Serve this configuration from now on; connections that were open are closed."""
        self._routes = [
            (parse_binding(text), self._endpoints(name, site, config.applicationPools, accounts, fixed))
            for name, site in config.sites.items()
            for text in site.bindings
        ]
        if self._runner is None:
            server = Listener(
                self._handle, self._drop, max_field_size=PARSER_LIMIT, max_line_size=PARSER_LIMIT, tcp_keepalive=False
            )
            self._runner = web.ServerRunner(server)
            await self._runner.setup()
        for transport in list(self._connections):
            transport.close()
            self._drop(transport)
        self.log.clear()
        wanted = {(each.address, each.port) for each, _ in self._routes}
        for gone in self._listeners.keys() - wanted:
            await self._listeners.pop(gone).stop()
        for address, port in sorted(wanted - self._listeners.keys()):
            site = web.TCPSite(self._runner, None if address == "*" else address, port, reuse_address=True)
            await site.start()
            self._listeners[address, port] = site

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
            page=Page(application, worker, self.machine.back_ends, fixed, opens_with),
            logon=Logon(windows, application.basicAuthentication or site.basicAuthentication, opens_with,
                        self.machine.helpers),
            anonymous=application.anonymousAuthentication or site.anonymousAuthentication,
        )

    def _account(self, pool: Pool, accounts: Mapping[str, keys.Account]) -> keys.Account | None:
        if pool.identityType is PoolIdentity.SpecificUser:
            return accounts[pool.userName]
        return self.machine.account if pool.identityType.is_machine else None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if any(len(name) + len(value) > LONGEST_HEADER for name, value in request.raw_headers):
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
        unknown = [each for each in asked if each not in self.machine.back_ends]
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
        leg = await asyncio.to_thread(endpoint.logon.prove, connection, read_token(header))
        if leg.caller or leg.refusal or connection.ended:  # it may have ended while its token was read
            connection.forget_exchange()
        connection.caller, connection.proven_for = leg.caller, endpoint.name
        return leg

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
