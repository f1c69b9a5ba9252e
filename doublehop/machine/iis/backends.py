"""Hop 2: asking a back end as somebody, and reporting who it says is there.

An impersonated thread on Windows has its own token; here the caller's credential is a cache that only one
child process sees, so two requests can never take each other's identity.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gssapi

from doublehop.codes import from_minor, name_of

SECONDS = 20
CLOCK = {name: value for name, value in os.environ.items() if name == "LD_PRELOAD" or name.startswith("FAKETIME")}
"""A machine whose clock is off is off in all its processes."""
WHO_IS_CONNECTED = (
    "select json_build_object('identity', principal, 'login', session_user, 'encrypted', encrypted,"
    " 'scheme', case when gss_authenticated then 'KERBEROS' else 'OTHER' end)"
    " from pg_stat_gssapi where pid = pg_backend_pid()"
)


@dataclass(frozen=True, slots=True)
class BackEnd:
    """A database server: `service` is the class of its SPN."""

    host: str
    port: int
    service: str = "MSSQLSvc"

    def ask(self, outgoing: "Outgoing", behind: list[str]) -> dict[str, dict[str, Any]]:
        """Ask it as somebody; nothing is `behind` a database, so its answer is under "" alone."""
        if behind:
            raise ValueError(f"a database asks nobody: {behind}")
        return {"": ask(self, outgoing)}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Who goes out on hop 2: a credential cache, and the account it is for."""

    ccache: str
    account: str


PSQL = next(Path("/usr/lib/postgresql").glob("*/bin/psql"), "psql")
"""The program itself; Debian's `psql` in the path is a Perl script that looks for it each time."""


@cache
def _own_realm() -> str:
    """The realm that this machine's Kerberos library takes for its own."""
    return str(gssapi.Name("nobody", gssapi.NameType.user).canonicalize(gssapi.MechType.kerberos)).rpartition("@")[2]


def login_of(principal: str) -> str:
    """What a database calls a caller: by the account alone, or with the realm when that is another one."""
    account, _, realm = principal.partition("@")
    return account if realm in {"", _own_realm()} else principal


NOBODY = Outgoing(ccache="FILE:/run/iis/nobody", account="ANONYMOUS")
"""No credential at all: what Windows sends as ANONYMOUS LOGON (row B-12)."""


def ask(back_end: BackEnd, outgoing: Outgoing) -> dict[str, Any]:
    """Open a connection as somebody; gives who the back end saw, or the exact error."""
    refusal = get_ticket(back_end.service, back_end.host, outgoing)
    if refusal:
        return refusal
    done = subprocess.run(
        [PSQL, "--no-psqlrc", "--tuples-only", "--no-align", "--no-password", "--command", WHO_IS_CONNECTED,
         f"host={back_end.host} port={back_end.port} dbname=postgres user='{outgoing.account}'"
         f" krbsrvname={back_end.service} connect_timeout={SECONDS} require_auth=gss"],
        env={"KRB5CCNAME": outgoing.ccache, "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **CLOCK},
        capture_output=True, text=True, timeout=SECONDS * 2, check=False,
    )
    if done.returncode != 0:
        return {"error": _login_error(done.stderr), "native": done.stderr.strip()}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def get_ticket(service: str, host: str, outgoing: Outgoing) -> dict[str, Any] | None:
    """Ask the KDC for the back end's ticket first: only here is its refusal a code and not a sentence."""
    target = gssapi.Name(f"{service}@{host}", gssapi.NameType.hostbased_service)
    try:
        credentials = gssapi.Credentials(usage="initiate", store={"ccache": outgoing.ccache})
        gssapi.SecurityContext(name=target, creds=credentials, usage="initiate").step()
    except gssapi.exceptions.MissingCredentialsError as failure:
        return {"error": "NO_CREDENTIALS", "native": str(failure)}
    except gssapi.exceptions.GSSError as failure:
        return refused(failure)
    return None


def refused(failure: gssapi.exceptions.GSSError) -> dict[str, Any]:
    """A back end that was never asked, because the KDC refused the ticket to ask with."""
    return {"error": name_of(from_minor(failure.min_code)), "native": str(failure)}


UNREACHABLE = "BACK_END_UNREACHABLE"
LOGIN_ERRORS = {
    "Connection refused": UNREACHABLE,
    "could not translate host name": UNREACHABLE,
    "timeout expired": UNREACHABLE,
    "server closed the connection unexpectedly": UNREACHABLE,
    "does not exist": "LOGIN_FAILED",
    "GSSAPI authentication failed": "LOGIN_FAILED",
    "accepting GSS security context failed": "KRB_AP_ERR_MODIFIED",
    "The ticket isn't for us": "KRB_AP_ERR_MODIFIED",
}


def _login_error(text: str) -> str:
    return next((name for part, name in LOGIN_ERRORS.items() if part in text), "BACK_END_ERROR")
