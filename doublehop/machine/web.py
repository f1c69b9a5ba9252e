"""A web server's agent: holds its accounts' keys and runs a front end.

The reference lives in this process, others in their own; the agent hands them configurations and gives out their log.
"""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from enum import Enum
from typing import Any

import dacite
import gssapi

from doublehop.frontend import HTTPS, FrontEnd, parse_binding
from doublehop.machine import agent, certificates, member
from doublehop.machine.agent import bring_up_network, serve
from doublehop.machine.aspnetcore import Kestrel
from doublehop.machine.iis import keys
from doublehop.machine.iis.backends import BackEnd, Outgoing, login_of
from doublehop.machine.iis.ntlm import Helpers
from doublehop.machine.iis.server import Certificate, Machine, Server
from doublehop.machine.proxy import ReverseProxy

CONFIGURE_SECONDS = 30
FROM_JSON = dacite.Config(cast=[Enum, tuple], strict=True)
"""How a record is read from JSON, which has neither; no key may be unknown."""

_loop = asyncio.new_event_loop()
FRONT_ENDS: dict[str, type[Server] | type[Kestrel]] = {"reference": Server, "aspnetcore": Kestrel}
_running: dict[str, Server | Kestrel] = {}
_unlocked: list[keys.Account] = []
_member: list[member.Member] = []
_proxies: list[ReverseProxy] = []
_directory: dict[str, Any] = {}
"""How the machine itself asks the directory for the passwords of gMSAs."""


def _in_loop(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run_coroutine_threadsafe(work, _loop).result(CONFIGURE_SECONDS)


def start(*, address: str, prefix: int, account: dict[str, Any], domain: dict[str, str],
          back_ends: dict[str, dict[str, Any]], dc: str, front_end: str) -> None:
    """Bring the machine up with its computer account, as a member of its domain, and the default site."""
    _directory.update(host=dc, user=account["principal"], password=account["password"])
    bring_up_network(address=address, prefix=prefix)
    threading.Thread(target=_loop.run_forever, daemon=True).start()
    joined = member.join(**domain, password=account["password"])
    _member[:] = [joined]
    _running["server"] = FRONT_ENDS[front_end](Machine(
        keys.unlock(**account), {name: BackEnd(**each) for name, each in back_ends.items()},
        Helpers(joined.ready, joined.domain, joined.realm),
    ))
    configure(config={}, accounts={}, fixed={}, pages={})


def configure(*, config: dict[str, Any], accounts: dict[str, dict[str, Any]], fixed: dict[str, dict[str, str]],
              pages: dict[str, str], managed: dict[str, dict[str, Any]] | None = None) -> None:
    """Serve a new configuration.

    `accounts` are the pools' accounts, `managed` those whose passwords the directory keeps, `fixed` those to
    impersonate by password. `pages` are the URLs of other servers' pages that it can ask as back ends, by name.
    """
    unlocked = {name: keys.unlock(**each) for name, each in accounts.items()}
    unlocked |= {name: _unlock_managed(**each) for name, each in (managed or {}).items()}
    signed_in = {name: Outgoing(keys.sign_in(**each), login_of(each["principal"]))
                 for name, each in fixed.items()}
    front_end = dacite.from_dict(FrontEnd, config, FROM_JSON)
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


def _unlock_managed(*, dn: str, name: str, principal: str, salt: str, kvno: int) -> keys.Account:
    """Retrieve a gMSA's password as this computer, and derive its keys."""
    from doublehop.machine import managed  # few front ends have a gMSA, and these two are slow to import
    from doublehop.machine.directory import Directory

    directory = Directory.signed_in(**_directory)
    try:
        password = directory.managed_password(dn)
    finally:
        directory.close()
    keytab = managed.keytab(principal=principal, salt=salt, kvno=kvno, password=password)
    return keys.unlock_with(keytab, name=name, principal=principal)


def start_services(*, ntlm: bool) -> None:
    """Have every account of this machine sign in that can, before something happens that could keep it from that.

    With `ntlm` the machine is also ready to have NTLM checked, which otherwise waits for the first message.
    """
    for each in (_running["server"].machine.account, *_unlocked):
        with suppress(gssapi.exceptions.GSSError):  # the keytab has no key that the directory would take
            each.sign_in()
    if ntlm:
        _member[0].trusted()


def stop_services() -> None:
    """Leave the machine's ports and its membership to another agent, or to the machine's own again."""
    configure(config={"sites": {}}, accounts={}, fixed={}, pages={})
    _member[0].end()


def cut_off(*, address: str, cut: bool) -> None:
    """Make the domain controller unreachable or reachable again."""
    agent.cut_off(address=address, cut=cut)
    _member[0].cut_off(cut=cut)


def log() -> list[dict[str, Any]]:
    """What the front end logged since it was configured."""
    return _running["server"].noted()


def forget_log() -> None:
    """Log from here on."""
    _running["server"].forget()


if __name__ == "__main__":
    serve({
        "start": start, "configure": configure, "log": log, "forget_log": forget_log, "set_proxy": set_proxy,
        "cut_off": cut_off, "start_services": start_services, "stop_services": stop_services,
        "set_clock": agent.set_clock, "request_certificate": certificates.request_certificate,
        "take_certificate": certificates.take_certificate,
    })
