"""The client's agent: signs users in and makes their requests, as a browser or program of a given profile would.

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

from doublehop.codes import from_minor, name_of
from doublehop.machine import curl, dotnet
from doublehop.machine.administrator import administer, attempt, change, read, reconnect
from doublehop.machine.administrator import start as administrator_of_the_domain
from doublehop.machine.agent import ENCTYPES, bring_up_network, cut_off, run, serve, set_clock
from doublehop.machine.fallback import UNAUTHORIZED, ask_by_ntlm, fall_back, schemes
from doublehop.machine.klist import ticket

CCACHES = Path("/run/ccaches")
DEFAULT_CCACHE = Path("/tmp/krb5cc_0")
KRB5_BY_FLAG_POLICY = {True: Path("/etc/krb5.conf"), False: Path("/run/krb5-forwards-to-anyone.conf")}
KRB5_LIMITED = Path("/run/krb5-limited.conf")
AUTHORITY = Path("/run/authority.pem")
REQUEST_SECONDS = 30
SILENT_ZONES = {"intranet", "trusted"}
PROGRAMS = {"curl": curl.ask, "dotnet": dotnet.ask}
STRONGEST_FIRST = ("AES256", "AES128", "RC4")
TOKEN_START = 4
"""So many letters of a token tell Kerberos from NTLM (row E-23)."""


def start(*, address: str, prefix: int, dc: str, administrator: str, password: str) -> None:
    """Bring the machine up and open its administrator's connection to the directory."""
    bring_up_network(address=address, prefix=prefix)
    write_policies()
    administrator_of_the_domain(dc=dc, administrator=administrator, password=password)


def write_policies() -> None:
    """Write the library's configuration for clients that forward a TGT to anybody."""
    strict = KRB5_BY_FLAG_POLICY[True].read_text()
    KRB5_BY_FLAG_POLICY[False].write_text(
        strict.replace("enforce_ok_as_delegate = true", "enforce_ok_as_delegate = false")
    )


def sign_in(*, principal: str, password: str, default: bool = False) -> str:
    """Get a user's TGT; gives the Kerberos library's words when the KDC refuses, or nothing.

    With `default` the ticket goes to the machine's default ccache, for programs run by hand.
    """
    try:
        get_tgt(principal, password, DEFAULT_CCACHE if default else _ccache(principal))
    except gssapi.exceptions.GSSError as failure:
        return str(failure)
    return ""


def get_tgt(principal: str, password: str, ccache: Path | None = None) -> None:
    """Get a user's TGT into a credential cache, by itself one of the user's own; raises GSSError."""
    os.environ["KRB5_CONFIG"] = str(KRB5_BY_FLAG_POLICY[True])  # and not what the last request's client may do
    ccache = ccache or _ccache(principal)
    ccache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = gssapi.Name(principal, gssapi.NameType.kerberos_principal)
    credentials = gssapi.raw.acquire_cred_with_password(name, password.encode(), usage="initiate").creds
    gssapi.raw.store_cred_into({"ccache": f"FILE:{ccache}"}, credentials, usage="initiate", overwrite=True)


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
        self.header = ""

    def generate_request_header(self, response: Any, host: str, is_preemptive: bool = False) -> str:
        """Make the token as the library does; note its flags or the Kerberos error."""
        try:
            header: str = super().generate_request_header(response, host, is_preemptive)
        except requests_kerberos.exceptions.KerberosExchangeError as failure:
            self.error = _kerberos_error(failure.__cause__)
            raise
        self.handshakes += 1
        self.error, self.header = "", header
        self.delegated = bool(self._context[host].context_attr & spnego.ContextReq.delegate)
        return header


def _kerberos_error(failure: BaseException | None) -> str:
    base = getattr(failure, "base_error", None)
    minor = getattr(base, "min_code", 0)
    return name_of(from_minor(minor)) if minor else str(failure)


def probe(*, url: str, principal: str, profile: dict[str, Any], times: int, hosts: dict[str, str],
          logon: dict[str, str]) -> dict[str, Any]:
    """Ask for one page as one user; the answer has the fields of `model.ClientSaw`."""
    os.environ["KRB5CCNAME"] = f"FILE:{_ccache(principal)}"
    os.environ["KRB5_CONFIG"] = str(_krb5_config(profile))
    if profile["program"] in PROGRAMS:
        answer = PROGRAMS[profile["program"]](url, times=times, profile=profile, authority=AUTHORITY,
                                              timeout=REQUEST_SECONDS)
        return answer | (ticket(run("klist", "-e", "-f"), answer["spn"]) if answer["spn"] else {})

    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port or 80
    target = canonical_name(host) if profile["canonicalise"] and host not in hosts else host
    if profile["port_in_spn"] and port not in {80, 443}:
        target = f"{target}:{port}"
    silent = profile["zone"] in SILENT_ZONES
    auth = RecordingAuth(target=target, delegate=silent and profile["delegate"],
                         channel_binding=profile["channel_binding"])
    by_password, header = 0, ""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(AUTHORITY) if AUTHORITY.exists() else True
        session.auth = auth if silent and profile["integrated"] else None
        for _ in range(times):
            try:
                response = session.get(url, timeout=REQUEST_SECONDS)
            except requests.exceptions.ConnectionError:
                if is_known(host):
                    raise
                return {"unasked": "NAME_NOT_RESOLVED"}
            first = response.history[0] if response.history else response
            scheme = fall_back(first, response, auth.error, profile) if silent else ""
            if scheme:
                response = ask_by_ntlm(session, url, scheme, logon)
                header = str(response.request.headers["Authorization"])
                by_password += 1
            if response.status_code == UNAUTHORIZED and profile["basic"] and "Basic" in schemes(response):
                response = session.get(url, timeout=REQUEST_SECONDS, auth=(logon["user"], logon["password"]))
                by_password += 1
    offers = first.headers.get("WWW-Authenticate", "")
    tried = auth.handshakes or auth.error
    token = (header or auth.header).partition(" ")[2]
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
        "token": token[:TOKEN_START],
        "token_size": len(token),
        **(ticket(run("klist", "-e", "-f"), f"HTTP/{target}") if auth.handshakes else {}),
    }


def _krb5_config(profile: dict[str, Any]) -> Path:
    """The library's configuration for a client of this kind; as on Windows its types are no order of preference."""
    path = KRB5_BY_FLAG_POLICY[profile["honour_ok_as_delegate"]]
    if not profile["encryption_types"]:
        return path
    allowed = " ".join(ENCTYPES[each] for each in STRONGEST_FIRST if each in profile["encryption_types"])
    limited = path.read_text().replace("[libdefaults]\n", f"[libdefaults]\n    permitted_enctypes = {allowed}\n")
    KRB5_LIMITED.write_text(limited)
    return KRB5_LIMITED


def canonical_name(host: str) -> str:
    """The name a CNAME leads to, which is what browsers ask a ticket for (row A-03); the host when unknown."""
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_CANONNAME, type=socket.SOCK_STREAM)
    except OSError:
        return host
    return found[0][3].rstrip(".") or host


def is_known(host: str) -> bool:
    """Whether the DNS knows a name; one that did not answer has not said no."""
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror as failure:
        return failure.errno != socket.EAI_NONAME
    return True


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
        "trust": trust, "set_clock": set_clock, "administer": administer,
    })
