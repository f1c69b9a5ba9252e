"""The authority of a lab whose machines have none: made once in a folder of its owner's, it signs their requests.

Windows makes each key on the machine that uses it (`certificate.ps1`), and only requests and certificates travel, as in
the other labs.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from doublehop.errors import HostError, LabError

DAY = timedelta(days=1)
LASTS = 365 * DAY
NAME = "doublehop lab authority"
CERTIFICATE, KEY = "authority.pem", "authority.key"
T = TypeVar("T")


class Authority:
    """Signs certificates; `path` is the file of its own, for those who have to trust it.

    Raises HostError when what is kept of it is damaged or not there.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / CERTIFICATE
        self._own = _kept(self.path, x509.load_pem_x509_certificate)
        self._key = _kept(folder / KEY, lambda content: serialization.load_pem_private_key(content, None))

    @classmethod
    def founded(cls, folder: Path) -> Self:
        """The one of this folder, made where there is none: nobody may trust one that was there before."""
        if not (folder / CERTIFICATE).exists():
            _found(folder)
        return cls(folder)

    @property
    def pem(self) -> str:
        """Its own certificate."""
        return self.path.read_text()

    def signed(self, request: str) -> str:
        """The certificate (PEM) of a request, for the DNS names that it asks for and for servers alone.

        Raises LabError for a request that is none.
        """
        try:
            asked = x509.load_pem_x509_csr(request.encode())
            names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, x509.ExtensionNotFound) as failure:
            raise LabError(f"this is no request for a certificate of DNS names: {failure}") from failure
        own = _begun(asked.subject, self._own.subject, asked.public_key()).add_extension(
            x509.SubjectAlternativeName(x509.DNSName(each) for each in names.get_values_for_type(x509.DNSName)), False)
        for extension, critical in (
            (x509.BasicConstraints(ca=False, path_length=None), True), (_usage(signs=False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._own.public_key()), False),  # type: ignore[arg-type]  # ours
        ):
            own = own.add_extension(extension, critical)
        return _pem(own.sign(self._key, hashes.SHA256()))  # type: ignore[arg-type]  # the key that `_found` made

    def issued(self, request: str) -> dict[str, str]:
        """The certificate of a request, and the authority's own."""
        return {"certificate": self.signed(request), "authority": self.pem}


def _found(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    with os.fdopen(os.open(folder / KEY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption()))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    own = _begun(name, name, key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    own = own.add_extension(_usage(signs=True), True)
    own = own.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    (folder / CERTIFICATE).write_text(_pem(own.sign(key, hashes.SHA256())))


def _kept(path: Path, read: Callable[[bytes], T]) -> T:
    try:
        return read(path.read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as failure:
        raise HostError(f"{path} cannot be read ({failure}): put it back, or make the machines anew, with the "
                        "authority's files removed: those that are there trust this one") from failure


def _begun(subject: x509.Name, issuer: x509.Name, key: object) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        subject_name=subject, issuer_name=issuer, public_key=key,  # type: ignore[arg-type]  # any kind that signs
        serial_number=x509.random_serial_number(), not_valid_before=now - DAY, not_valid_after=now + LASTS)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, content_commitment=False,
                         key_encipherment=not signs, data_encipherment=False, key_agreement=False, encipher_only=False,
                         decipher_only=False)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
