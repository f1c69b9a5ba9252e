"""A certificate authority of a test's own, and the certificates that it signs for machines of the lab."""

import base64
import datetime
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates; `pem` is its own."""

    def __init__(self, name):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = self._certificate(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.pem = own.public_bytes(serialization.Encoding.PEM).decode()

    def for_host(self, host):
        """A key with its certificate (PEM), and the channel binding that this comes to (RFC 5929 4.1)."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        own = self._certificate(name, key, x509.SubjectAlternativeName([x509.DNSName(host)]))
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                    serialization.NoEncryption())
        binding = b"tls-server-end-point:" + hashlib.sha256(own.public_bytes(serialization.Encoding.DER)).digest()
        return {"certificate": (private + own.public_bytes(serialization.Encoding.PEM)).decode(),
                "end_point": base64.b64encode(binding).decode()}

    def _certificate(self, subject, key, extension):
        now = datetime.datetime.now(datetime.UTC)
        usage = x509.KeyUsage(digital_signature=True, key_cert_sign=subject is self._name, crl_sign=False,
                              content_commitment=False, key_encipherment=False, data_encipherment=False,
                              key_agreement=False, encipher_only=False, decipher_only=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (x509.CertificateBuilder(issuer_name=self._name, subject_name=subject, public_key=key.public_key(),
                                        serial_number=x509.random_serial_number(), not_valid_before=now - DAY,
                                        not_valid_after=now + DAY)
                .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
                .add_extension(usage, critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .add_extension(issuer, critical=False)
                .sign(self._key, hashes.SHA256()))
