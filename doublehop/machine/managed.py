"""Keytabs of gMSAs, whose passwords are 256 random bytes that no program takes as a line of text.

Keys are RFC 3962's, the file is MIT's keytab format, version 2.
"""

import hashlib
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

ITERATIONS = 4096
KERBEROS = bytes.fromhex("6b65726265726f737b9b5b2b93132b93")
"""The string "kerberos" folded to one block of AES (RFC 3961 5.1)."""
KEY_SIZES = {18: 32, 17: 16}
"""AES256 and AES128 by their numbers."""
VERSION = b"\x05\x02"
NT_PRINCIPAL = 1


def keytab(*, principal: str, salt: str, kvno: int, password: bytes) -> bytes:
    """The keytab of an account with one name and a managed password."""
    text = as_utf8(password)
    return VERSION + b"".join(
        _entry(principal, kvno, enctype, aes_key(text, salt.encode(), size)) for enctype, size in KEY_SIZES.items()
    )


def as_utf8(password: bytes) -> bytes:
    """A managed password as keys are derived from it: what is no UTF-16 becomes U+FFFD."""
    return password.decode("utf-16-le", errors="replace").encode()


def aes_key(password: bytes, salt: bytes, size: int, iterations: int = ITERATIONS) -> bytes:
    """The key of a password in UTF-8; `size` is 16 or 32."""
    key = hashlib.pbkdf2_hmac("sha1", password, salt, iterations, size)
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # RFC 3961's DR encrypts single blocks
    blocks, block = b"", KERBEROS
    while len(blocks) < size:
        encryptor = cipher.encryptor()
        block = encryptor.update(block) + encryptor.finalize()
        blocks += block
    return blocks[:size]


def _entry(principal: str, kvno: int, enctype: int, key: bytes) -> bytes:
    name, _, realm = principal.partition("@")
    entry = (struct.pack(">H", 1) + _counted(realm.encode()) + _counted(name.encode())
             + struct.pack(">IIBH", NT_PRINCIPAL, 0, kvno & 0xFF, enctype) + _counted(key) + struct.pack(">I", kvno))
    return struct.pack(">i", len(entry)) + entry


def _counted(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data
