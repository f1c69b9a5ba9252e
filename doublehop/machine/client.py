"""The client's agent: signs users in and makes their requests, as a browser of a given profile would.

It also carries directory changes to the domain controller, as an administrator's workstation does. It
reports what the client saw and judges nothing.
"""

import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

if find_spec("krb5") is None:
    # Debian has pyspnego without its `krb5` binding, which pyspnego imports with gssapi but needs only for
    # passwords and keytabs. The probe uses the user's credential cache, as a browser does.
    sys.modules["krb5"] = ModuleType("krb5")

import gssapi
import requests
import requests_kerberos
import spnego
import spnego.exceptions
from ldap3.core.exceptions import LDAPException, LDAPOperationResult

from doublehop.codes import from_minor, name_of
from doublehop.machine.agent import bring_up_network, cut_off, run, serve, set_clock, until
from doublehop.machine.directory import Change, Directory
from doublehop.machine.fallback import UNAUTHORIZED, ask_by_ntlm, fall_back, schemes

CCACHES = Path("/run/ccaches")
DEFAULT_CCACHE = Path("/tmp/krb5cc_0")
KRB5_BY_FLAG_POLICY = {True: Path("/etc/krb5.conf"), False: Path("/run/krb5-forwards-to-anyone.conf")}
AUTHORITY = Path("/run/authority.pem")
REQUEST_SECONDS = 30
SILENT_ZONES = {"intranet", "trusted"}

_directory: dict[str, Any] = {}


def start(*, address: str, prefix: int, dc: str, administrator: str, password: str) -> None:
    """Bring the machine up and open its administrator's connection to the directory."""
    bring_up_network(address=address, prefix=prefix)
    strict = KRB5_BY_FLAG_POLICY[True].read_text()
    KRB5_BY_FLAG_POLICY[False].write_text(
        strict.replace("enforce_ok_as_delegate = true", "enforce_ok_as_delegate = false")
    )
    _directory["how"] = {"host": dc, "user": administrator, "password": password}
    reconnect()


def reconnect() -> None:
    """Open the administrator's connection again, for when the domain controller was started anew."""
    _directory["admin"] = until("the directory", 30, lambda: _connected(**_directory["how"]))


def _connected(**how: Any) -> Directory:
    try:
        return Directory(**how)
    except LDAPException as failure:
        raise ConnectionError(str(failure)) from failure


def change(*, changes: list[Change]) -> dict[str, Any]:
    """Apply directory changes as administrator; gives their undo, or why the directory took none of them."""
    try:
        return {"undo": _directory["admin"].apply(changes)}
    except LDAPOperationResult as refusal:
        return {"refused": str(refusal)}


def attempt(*, change: Change, dc: str, user: str = "", password: str = "") -> str:
    """Try one change that may be refused, as administrator or as another account."""
    administrator: Directory = _directory["admin"]
    if not user:
        return administrator.attempt(change, administrator)
    directory = Directory(host=dc, user=user, password=password)
    try:
        return directory.attempt(change, administrator)
    finally:
        directory.close()


def read(*, dn: str, attributes: list[str]) -> dict[str, list[str]]:
    """Read attributes of one directory entry."""
    found: dict[str, list[str]] = _directory["admin"].read(dn, attributes)
    return found


def sign_in(*, principal: str, password: str, default: bool = False) -> str:
    """Get a user's TGT; gives the Kerberos library's words when the KDC refuses, or nothing.

    With `default` the ticket goes to the machine's default ccache, for programs run by hand.
    """
    ccache = DEFAULT_CCACHE if default else _ccache(principal)
    ccache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = gssapi.Name(principal, gssapi.NameType.kerberos_principal)
    try:
        credentials = gssapi.raw.acquire_cred_with_password(name, password.encode(), usage="initiate").creds
        gssapi.raw.store_cred_into({"ccache": f"FILE:{ccache}"}, credentials, usage="initiate", overwrite=True)
    except gssapi.exceptions.GSSError as failure:
        return str(failure)
    return ""


def sign_out(*, principal: str) -> None:
    """Forget a user's tickets."""
    _ccache(principal).unlink(missing_ok=True)


def _ccache(principal: str) -> Path:
    return CCACHES / principal.replace("/", "_")


class RecordingAuth(requests_kerberos.HTTPKerberosAuth):  # type: ignore[misc]  # the library has no types
    """requests-kerberos, remembering what its contexts came to.

    The library swallows why the KDC gave no ticket; that reason is an observation.
    """

    def __init__(self, *, target: str, delegate: bool, channel_binding: bool) -> None:
        super().__init__(
            mutual_authentication=requests_kerberos.OPTIONAL, hostname_override=target, delegate=delegate,
            sanitize_mutual_error_response=False, send_cbt=channel_binding,
        )
        self.error = ""
        self.handshakes = 0
        self.delegated = False

    def generate_request_header(self, response: Any, host: str, is_preemptive: bool = False) -> str:
        """Make the token as the library does; note its flags or the Kerberos error."""
        try:
            header: str = super().generate_request_header(response, host, is_preemptive)
        except requests_kerberos.exceptions.KerberosExchangeError as failure:
            self.error = _kerberos_error(failure.__cause__)
            raise
        self.handshakes += 1
        self.error = ""
        self.delegated = bool(self._context[host].context_attr & spnego.ContextReq.delegate)
        return header


def _kerberos_error(failure: BaseException | None) -> str:
    base = getattr(failure, "base_error", None)
    minor = getattr(base, "min_code", 0)
    return name_of(from_minor(minor)) if minor else str(failure)


def probe(*, url: str, principal: str, profile: dict[str, Any], times: int, hosts: dict[str, str],
          logon: dict[str, str], http2: bool = False) -> dict[str, Any]:
    """Ask for one page as one user; the answer has the fields of `model.ClientSaw`."""
    os.environ["KRB5CCNAME"] = f"FILE:{_ccache(principal)}"
    os.environ["KRB5_CONFIG"] = str(KRB5_BY_FLAG_POLICY[profile["honour_ok_as_delegate"]])
    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port or 80
    target = canonical_name(host) if profile["canonicalise"] and host not in hosts else host
    if profile["port_in_spn"] and port not in {80, 443}:
        target = f"{target}:{port}"
    if http2:
        return _probe_http2(url, target)

    auth = RecordingAuth(target=target, delegate=profile["zone"] in SILENT_ZONES,
                         channel_binding=profile["channel_binding"])
    silent = profile["zone"] in SILENT_ZONES
    by_password = 0
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(AUTHORITY) if AUTHORITY.exists() else True
        session.auth = auth if silent and profile["integrated"] else None
        for _ in range(times):
            response = session.get(url, timeout=REQUEST_SECONDS)
            first = response.history[0] if response.history else response
            scheme = fall_back(first, response, auth.error, profile) if silent else ""
            if scheme:
                response = ask_by_ntlm(session, url, scheme, logon)
                by_password += 1
            if response.status_code == UNAUTHORIZED and profile["basic"] and "Basic" in schemes(response):
                response = session.get(url, timeout=REQUEST_SECONDS, auth=(logon["user"], logon["password"]))
                by_password += 1
    offers = first.headers.get("WWW-Authenticate", "")
    tried = auth.handshakes or auth.error
    return {
        "spn": f"HTTP/{target}" if tried else "",
        "error": auth.error,
        "status": response.status_code,
        "offers": [each.strip() for each in offers.split(",") if each.strip()],
        "delegated": auth.delegated,
        "handshakes": auth.handshakes + by_password,
        "mutual": auth.auth_done,
        "http": "1.1",
        "body": response.text,
    }


def _probe_http2(url: str, target: str) -> dict[str, Any]:
    """Ask with an offer to go on in HTTP/2, which only curl makes here (row B-30)."""
    text = run(
        "curl", "--silent", "--show-error", "--http2", "--negotiate", "--user", ":", "--delegation", "policy",
        "--write-out", "\n%{http_code} %{http_version}", url, timeout=REQUEST_SECONDS,
    )
    body, _, tail = text.rpartition("\n")
    status, version = tail.split()
    return {"spn": f"HTTP/{target}", "status": int(status), "http": version, "body": body}


def canonical_name(host: str) -> str:
    """The name a CNAME leads to, which is what browsers ask a ticket for (row A-03); the host when unknown."""
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_CANONNAME, type=socket.SOCK_STREAM)
    except OSError:
        return host
    return found[0][3].rstrip(".") or host


def set_hosts(*, hosts: dict[str, str]) -> None:
    """Replace what the scenario added to the hosts file."""
    path = Path("/etc/hosts")
    own = path.read_text().split("# scenario\n")[0]
    path.write_text(own + "# scenario\n" + "".join(f"{address} {name}\n" for name, address in hosts.items()))


def trust(*, authority: str) -> None:
    """Trust the lab's authority for TLS."""
    AUTHORITY.write_text(authority)


if __name__ == "__main__":
    serve({
        "start": start, "change": change, "attempt": attempt, "read": read, "sign_in": sign_in,
        "sign_out": sign_out, "probe": probe, "set_hosts": set_hosts, "reconnect": reconnect, "cut_off": cut_off,
        "trust": trust, "set_clock": set_clock,
    })
