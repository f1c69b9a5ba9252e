"""Basic authentication: a name and a password in clear, tried at the KDC (IIS: `<basicAuthentication>`).

With *ClearText* the logon keeps the password's ticket, so the next hop needs no right to delegate; with
*Network* nothing of it is left but a name (row C-31).
"""

import gssapi
from gssapi.raw import acquire_cred_with_password

from doublehop.codes import from_minor, name_of
from doublehop.frontend import LogonMethod
from doublehop.machine.iis.negotiate import Caller, Leg, Refusal


def log_on(text: bytes, method: LogonMethod) -> Leg:
    """Try what an Authorization header carries, `user:password`."""
    user, colon, password = text.partition(b":")
    name = user.decode(errors="replace").rpartition("\\")[2]
    if not colon or not name or not password or "\0" in name:
        return Leg(refusal=Refusal("SEC_E_LOGON_DENIED", "no name and password"))
    try:
        found = acquire_cred_with_password(
            gssapi.Name(name, gssapi.NameType.kerberos_principal), password, usage="initiate"
        )
        credentials = gssapi.Credentials(found.creds)
        credentials.inquire(lifetime=True)  # makes the library fetch the TGT
        principal = str(credentials.name)
    except gssapi.exceptions.GSSError as failure:
        return Leg(refusal=Refusal("SEC_E_LOGON_DENIED", f"{name_of(from_minor(failure.min_code))}: {failure}"))
    kept = credentials if method is LogonMethod.ClearText else None
    return Leg(caller=Caller(principal=principal, mechanism="", credentials=kept, scheme="Basic"))
