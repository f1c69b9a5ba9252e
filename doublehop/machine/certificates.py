"""TLS inside a lab: an authority on the domain controller, and one certificate for each web server.

Each key is made on the machine that uses it and stays there; only requests and certificates travel. Nothing
is made before a scenario speaks TLS.
"""

import hashlib
import ssl
from pathlib import Path

from doublehop.machine.agent import run

AUTHORITY = Path("/state/private/authority")
OWN = Path("/run/tls")
DAYS = "30"
YESTERDAY = {"LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "FAKETIME": "-1d"}
"""When certificates begin, for a client too whose clock is slow; older releases of openssl cannot be told."""
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _private(folder: Path) -> Path:
    """A folder that only its owner can enter; openssl writes keys for their owner alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def request_certificate(*, host: str, names: list[str]) -> str:
    """Make a key on this machine; gives the request for a certificate of these DNS names."""
    folder = _private(OWN)
    return run(
        "openssl", "req", "-new", *NEW_KEY, "-subj", f"/CN={host}", "-keyout", str(folder / "key.pem"),
        "-addext", "subjectAltName=" + ",".join(f"DNS:{each}" for each in names),
        "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature",
        "-addext", "extendedKeyUsage=serverAuth",
    )


def issue_certificate(*, request: str) -> dict[str, str]:
    """Sign a request, as the lab's authority, which the first request founds; gives both certificates."""
    folder = _private(AUTHORITY)
    key, own = folder / "key.pem", folder / "certificate.pem"
    if not own.exists():
        run("openssl", "req", "-x509", *NEW_KEY, "-days", DAYS, "-subj", "/CN=doublehop lab authority",
            "-keyout", str(key), "-out", str(own),
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            env=YESTERDAY)
    certificate = run("openssl", "x509", "-req", "-CA", str(own), "-CAkey", str(key), "-days", DAYS, "-sha256",
                      "-copy_extensions", "copyall", stdin=request, env=YESTERDAY)
    return {"certificate": certificate, "authority": own.read_text()}


def take_certificate(*, certificate: str, authority: str) -> None:
    """Keep the certificate that the last request on this machine came to."""
    (OWN / "certificate.pem").write_text(certificate)
    (OWN / "authority.pem").write_text(authority)


def for_a_server() -> ssl.SSLContext:
    """What a TLS server on this machine needs."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(OWN / "certificate.pem", OWN / "key.pem")
    return context


def for_a_client() -> ssl.SSLContext:
    """What trusts the lab's authority and nobody else."""
    return ssl.create_default_context(cafile=str(OWN / "authority.pem"))


def end_point() -> bytes:
    """This server's channel binding, `tls-server-end-point` (RFC 5929 section 4.1).

    Its hash is the one that the certificate is signed with, and the authority signs with SHA-256.
    """
    der = ssl.PEM_cert_to_DER_cert((OWN / "certificate.pem").read_text())
    return b"tls-server-end-point:" + hashlib.sha256(der).digest()
