"""A page of ASP.NET Core on Kestrel as the front end: which process serves what, with whose keytab.

As in containers, a process has one keytab for the tickets it opens and one for itself; it is told of nothing else but
addresses. The page is lab/aspnet/core. Processes outlive configurations, since they are slow to start.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from select import select
from typing import Any

from doublehop.codes import ACCEPTOR_ALIASES, MIT_ERROR_BASE, NAMES
from doublehop.frontend import COMPUTER, HTTPS, FrontEnd, Served, served
from doublehop.machine import certificates
from doublehop.machine.agent import write_secret
from doublehop.machine.iis import keys
from doublehop.machine.iis.backends import CLOCK, LOGIN_ERRORS, BackEnd, Outgoing
from doublehop.machine.iis.server import Certificate, Machine

HOME = Path("/run/dotnet")
ANSWER_SECONDS = 30
"""How long a page is given to serve something else; the first time it has to load what it is made of."""
FOLDER = keys.FOLDER / "aspnetcore"
SETTINGS = {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "DOTNET_EnableDiagnostics": "0", "DOTNET_gcServer": "0",
            "DOTNET_TieredPGO": "0", "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}
WORDS = {**LOGIN_ERRORS, "No credentials were supplied": "NO_CREDENTIALS",
         "No Kerberos credentials available": "NO_CREDENTIALS"}
ERRORS = {MIT_ERROR_BASE + offset: name for offset, name in NAMES.items()}
REFUSALS = {**ERRORS, **{MIT_ERROR_BASE + offset: alias.name for offset, alias in ACCEPTOR_ALIASES.items()}}


class Process:
    """One running page. Its keytabs are links, so that it can be given other accounts."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        write_secret(folder / "trace", "")
        self._process = subprocess.Popen(
            [HOME / "dotnet", HOME / "core" / "app" / "whoami.dll"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=sys.stderr.buffer, text=True,
            env={**SETTINGS, **CLOCK, "KRB5_KTNAME": f"FILE:{folder}/opens/keytab", "KRB5_TRACE": f"{folder}/trace",
                 "KRB5_CLIENT_KTNAME": f"FILE:{folder}/runs/keytab", "KRB5CCNAME": f"FILE:{folder}/runs/ccache"},
        )

    def configure(self, settings: Mapping[str, Any], opens_as: keys.Account | None,
                  runs_as: keys.Account | None) -> None:
        """Serve other things, as others."""
        for name, account in (("opens", opens_as), ("runs", runs_as)):
            link = self._folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(account.folder if account else "nobody")
        write_secret(self._folder / "trace", "")
        self.order(configure={**settings, "trace": f"{self._folder}/trace"})

    def order(self, **order: Any) -> dict[str, Any]:
        """Send one line, read one."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        # It writes one line for one, so nothing of an earlier answer is left to be read.
        if not select([self._process.stdout], [], [], ANSWER_SECONDS)[0]:
            raise RuntimeError(f"the page said nothing for {ANSWER_SECONDS} s when it was told {', '.join(order)}")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the page ended with {self._process.wait(5)} when it was told {', '.join(order)}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(slots=True)
class Kestrel:
    """The running web server, with the face of the reference."""

    machine: Machine
    _processes: list[Process] = field(default_factory=list)

    async def configure(self, config: FrontEnd, accounts: Mapping[str, keys.Account],
                        fixed: Mapping[str, Outgoing],  # noqa: ARG002 - whom only who impersonates can be
                        pages: Mapping[str, str], certificate: Certificate | None) -> None:
        """Serve this configuration from now on, a process for each pair of accounts."""
        groups: dict[tuple[str, str], list[Served]] = {}
        for application in served(config):
            groups.setdefault((application.opens_as, application.runs_as), []).append(application)
        back_ends = {**{name: _database(each) for name, each in self.machine.back_ends.items()},
                     **{name: {"kind": "page", "where": url} for name, url in pages.items()}}
        for each in self._processes[1:] if groups else self._processes:  # their ports may be another's now
            each.configure({}, None, None)
        for number, ((opens_as, runs_as), applications) in enumerate(groups.items()):
            if number == len(self._processes):
                self._processes.append(Process(FOLDER / str(number)))
            self._processes[number].configure({
                "backEnds": back_ends, "errors": ERRORS, "refusals": REFUSALS, "loginErrors": WORDS,
                "applications": [*map(_application, applications)],
                "maxRequestHeadersTotalSize": config.httpSys.MaxRequestBytes,
                **({"certificate": f"{certificates.OWN}/certificate.pem", "key": f"{certificates.OWN}/key.pem"}
                   if certificate else {}),
            }, self._account(opens_as, accounts), self._account(runs_as, accounts))

    def noted(self) -> list[dict[str, Any]]:
        """What came of each request since the configuration, or since this was forgotten, in order."""
        entries = [entry for each in self._processes for entry in each.order(log=True)["log"]]
        return sorted(entries, key=lambda entry: datetime.fromisoformat(entry.pop("time")))

    def forget(self) -> None:
        """Note requests from here on."""
        for each in self._processes:
            each.order(forget=True)

    def _account(self, label: str, accounts: Mapping[str, keys.Account]) -> keys.Account | None:
        return self.machine.account if label == COMPUTER else accounts[label] if label else None


def _database(back_end: BackEnd) -> dict[str, Any]:
    return {"kind": "postgresql", "host": back_end.host, "port": back_end.port, "service": back_end.service}


def _application(each: Served) -> dict[str, Any]:
    """What the page is told of an application, in ASP.NET Core's words."""
    windows = each.windows
    return {
        "address": each.binding.address, "port": each.binding.port, "host": each.binding.host, "path": each.path,
        "secure": each.binding.protocol == HTTPS, "negotiate": windows.enabled, "anonymous": each.anonymous.enabled,
        "persist": windows.authPersistNonNTLM and not windows.authPersistSingleRequest,
    }
