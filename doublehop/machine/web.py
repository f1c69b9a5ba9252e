"""A web server's agent: holds its accounts' keys and runs the reference front end.

The front end lives in this process; the agent hands it configurations and gives out its log.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from pydantic import TypeAdapter

from doublehop.frontend import HTTPS, FrontEnd, parse_binding
from doublehop.machine import certificates
from doublehop.machine.agent import bring_up_network, serve
from doublehop.machine.iis import keys
from doublehop.machine.iis.backends import BackEnd, Outgoing
from doublehop.machine.iis.server import Certificate, Machine, Server
from doublehop.machine.proxy import ReverseProxy

CONFIGURE_SECONDS = 20
READ_FRONT_END = TypeAdapter(FrontEnd)

_loop = asyncio.new_event_loop()
_running: dict[str, Server] = {}
_unlocked: list[keys.Account] = []
_proxies: list[ReverseProxy] = []


def _in_loop(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run_coroutine_threadsafe(work, _loop).result(CONFIGURE_SECONDS)


def start(*, address: str, prefix: int, account: dict[str, Any], back_ends: dict[str, dict[str, Any]]) -> None:
    """Bring the machine up with its computer account and the default site."""
    bring_up_network(address=address, prefix=prefix)
    threading.Thread(target=_loop.run_forever, daemon=True).start()
    machine = Machine(keys.unlock(**account), {name: BackEnd(**each) for name, each in back_ends.items()})
    _running["server"] = Server(machine)
    configure(config={}, accounts={}, fixed={}, pages={})


def configure(*, config: dict[str, Any], accounts: dict[str, dict[str, Any]], fixed: dict[str, dict[str, str]],
              pages: dict[str, str]) -> None:
    """Serve a new configuration; `accounts` are the pools' accounts, `fixed` those to impersonate by password.

    `pages` are the URLs of other servers' pages that it can ask as back ends, by name.
    """
    unlocked = {name: keys.unlock(**each) for name, each in accounts.items()}
    signed_in = {name: Outgoing(keys.sign_in(**each), each["principal"].partition("@")[0])
                 for name, each in fixed.items()}
    front_end = READ_FRONT_END.validate_python(config)
    secure = any(parse_binding(text).protocol == HTTPS for site in front_end.sites.values() for text in site.bindings)
    certificate = Certificate(certificates.for_a_server(), certificates.end_point()) if secure else None
    _in_loop(_running["server"].configure(front_end, unlocked, signed_in, pages, certificate))
    keys.forget(_running["server"].machine.account.ccache)
    keys.forget_all(_unlocked)
    _unlocked[:] = unlocked.values()


def set_proxy(*, to: str = "", port: int = 0, affinity: bool = True) -> None:
    """Run a reverse proxy to a server beside the front end, or none."""
    while _proxies:
        _in_loop(_proxies.pop().stop())
    if to:
        _proxies.append(ReverseProxy(port=port, to=to, affinity=affinity))
        _in_loop(_proxies[0].start())


def log() -> list[dict[str, Any]]:
    """What the front end logged since it was configured."""
    return list(_running["server"].log)


if __name__ == "__main__":
    serve({
        "start": start, "configure": configure, "log": log, "set_proxy": set_proxy,
        "request_certificate": certificates.request_certificate, "take_certificate": certificates.take_certificate,
    })
