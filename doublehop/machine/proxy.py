"""A small reverse proxy: what stands between browsers and a front end, and may mix up their connections (row B-31).

It passes requests on as they come and never looks into them. With affinity each client's connection has one
of its own to the server; without, all clients share one, as a proxy with a connection pool does.
With TLS the client's ends here, and another one begins (row B-25).
"""

from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from doublehop.machine import certificates

OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}
"""Headers that each side makes anew (RFC 9110 section 7.6.1)."""
SECONDS = 60


@dataclass(slots=True)
class ReverseProxy:
    """One listening port whose requests go to one server."""

    port: int
    to: str
    affinity: bool
    _upstream: dict[Any, aiohttp.ClientSession] = field(default_factory=dict)
    _runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Begin to listen."""
        self._runner = web.ServerRunner(web.Server(self._pass_on, max_field_size=1 << 20, max_line_size=1 << 20))
        await self._runner.setup()
        context = certificates.for_a_server() if self._secure else None
        await web.TCPSite(self._runner, None, self.port, reuse_address=True, ssl_context=context).start()

    @property
    def _secure(self) -> bool:
        return self.to.startswith("https:")

    async def stop(self) -> None:
        """Close every connection on both sides."""
        if self._runner is not None:
            await self._runner.cleanup()
        for each in self._upstream.values():
            await each.close()

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        session, host = self._session(request), request.host.partition(":")[0]
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in OF_ONE_CONNECTION]
        async with session.request(request.method, f"{self.to}{request.path_qs}", headers=headers,
                                   data=await request.read() or None, allow_redirects=False,
                                   server_hostname=host if self._secure else None) as answer:
            response = web.Response(status=answer.status, reason=answer.reason, body=await answer.read())
            for name, value in answer.headers.items():
                if name.lower() not in OF_ONE_CONNECTION:
                    response.headers.add(name, value)
            return response

    def _session(self, request: web.BaseRequest) -> aiohttp.ClientSession:
        key = request.transport if self.affinity else None
        if key not in self._upstream:
            trusted = certificates.for_a_client() if self._secure else True
            self._upstream[key] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=1, ssl=trusted), cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False, timeout=aiohttp.ClientTimeout(total=SECONDS),
                skip_auto_headers=["User-Agent", "Accept-Encoding"],
            )
        return self._upstream[key]
