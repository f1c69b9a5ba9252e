"""A web server's agent: holds its accounts' keys and runs the reference front end.

The front end lives in this process; the agent hands it configurations and gives out its log.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from pydantic import TypeAdapter

from doublehop.frontend import FrontEnd
from doublehop.machine import member
from doublehop.machine.agent import bring_up_network, serve
from doublehop.machine.iis import keys
from doublehop.machine.iis.backends import BackEnd, Outgoing
from doublehop.machine.iis.ntlm import Helpers
from doublehop.machine.iis.server import Machine, Server

CONFIGURE_SECONDS = 20
READ_FRONT_END = TypeAdapter(FrontEnd)

_loop = asyncio.new_event_loop()
_running: dict[str, Server] = {}
_unlocked: list[keys.Account] = []


def _in_loop(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run_coroutine_threadsafe(work, _loop).result(CONFIGURE_SECONDS)


def start(*, address: str, prefix: int, account: dict[str, Any], domain: dict[str, str],
          back_ends: dict[str, dict[str, Any]]) -> None:
    """Bring the machine up with its computer account, as a member of its domain, and the default site."""
    bring_up_network(address=address, prefix=prefix)
    threading.Thread(target=_loop.run_forever, daemon=True).start()
    joined = member.join(**domain, password=account["password"])
    _running["server"] = Server(Machine(
        keys.unlock(**account), {name: BackEnd(**each) for name, each in back_ends.items()},
        Helpers(joined.ready, joined.domain, joined.realm),
    ))
    configure(config={}, accounts={}, fixed={})


def configure(*, config: dict[str, Any], accounts: dict[str, dict[str, Any]], fixed: dict[str, dict[str, str]]) -> None:
    """Serve a new configuration; `accounts` are the pools' accounts, `fixed` those to impersonate by password."""
    unlocked = {name: keys.unlock(**each) for name, each in accounts.items()}
    signed_in = {name: Outgoing(keys.sign_in(**each), each["principal"].partition("@")[0])
                 for name, each in fixed.items()}
    _in_loop(_running["server"].configure(READ_FRONT_END.validate_python(config), unlocked, signed_in))
    keys.forget(_running["server"].machine.account.ccache)
    keys.forget_all(_unlocked)
    _unlocked[:] = unlocked.values()


def log() -> list[dict[str, Any]]:
    """What the front end logged since it was configured."""
    return list(_running["server"].log)


if __name__ == "__main__":
    serve({"start": start, "configure": configure, "log": log})
