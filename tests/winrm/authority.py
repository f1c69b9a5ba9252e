"""Keys and certificates of stub machines; the authority that signs them is the provider's own."""

import base64
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


def certified(authority, host):
    """A key with its certificate (PEM), and the channel binding that this comes to (RFC 5929 4.1)."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    request = x509.CertificateSigningRequestBuilder(name).add_extension(
        x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False).sign(key, hashes.SHA256())
    own = authority.signed(request.public_bytes(serialization.Encoding.PEM).decode())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption()).decode()
    der = x509.load_pem_x509_certificate(own.encode()).public_bytes(serialization.Encoding.DER)
    binding = b"tls-server-end-point:" + hashlib.sha256(der).digest()
    return {"certificate": private + own, "end_point": base64.b64encode(binding).decode()}
