"""A page as a back end: another front end is asked over HTTP, and may ask back ends of its own (row D-15).

curl asks, for the reason that psql does: a child process has one credential cache and no other. What comes
back is what the page says of its caller, not what this machine knows.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from doublehop.machine.iis import backends
from doublehop.machine.iis.backends import BackEnd, Outgoing

SECONDS = 40
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class PageBackEnd:
    """A page of another front end; its SPN is HTTP/<host>, with the host as it stands in the URL."""

    url: str

    def ask(self, outgoing: Outgoing, behind: list[str]) -> dict[str, dict[str, Any]]:
        """Ask the page as somebody: under "" whom it saw or the exact error, under `.sql` what its own back end saw."""
        refusal = backends.get_ticket("HTTP", str(urlsplit(self.url).hostname), outgoing)
        if refusal:
            return {"": refusal}
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--negotiate", "--user", ":", "--delegation", "policy",
             "--max-time", str(SECONDS), "--write-out", "\n%{http_code}", f"{self.url}?back_ends={','.join(behind)}"],
            env={"KRB5CCNAME": outgoing.ccache, "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **backends.CLOCK},
            capture_output=True, text=True, timeout=SECONDS * 2, check=False,
        )
        body, _, status = done.stdout.rpartition("\n")
        if done.returncode != 0 or int(status) >= SERVER_ERROR:
            return {"": {"error": backends.UNREACHABLE, "native": done.stderr.strip() or f"HTTP {status}"}}
        if status != "200":  # a program is told no more than this; the reason is in the other server's log
            return {"": {"error": f"HTTP_{status}", "native": body}}
        return _read(json.loads(body))


def _read(page: dict[str, Any]) -> dict[str, dict[str, Any]]:
    own = {
        "identity": page["user"] or backends.NOBODY.account, "login": page["thread"], "encrypted": False,
        "scheme": "KERBEROS" if page["scheme"] == "Kerberos" else "OTHER",
    }
    return {"": own} | {f".{name}": each for name, each in page["back_ends"].items()}


def ask_all(back_ends: Mapping[str, BackEnd | PageBackEnd], asked: list[str],
            outgoing: Outgoing) -> dict[str, dict[str, Any]]:
    """Ask every back end that is named, each once; `api.sql` is the page `api` and its own back end `sql`."""
    behind: dict[str, list[str]] = {}
    for each in asked:
        first, _, rest = each.partition(".")
        behind.setdefault(first, []).extend([rest] if rest else [])
    return {
        f"{name}{link}": answer
        for name, rest in behind.items() for link, answer in back_ends[name].ask(outgoing, rest).items()
    }
