"""What a Windows browser does when it has no ticket: when it goes on with NTLM, and how.

NTLM is made from the user's password, which stands here for what Windows keeps of a sign-in.
"""

import base64
from typing import Any

import requests
import spnego

UNAUTHORIZED = 401
SECONDS = 30


def fall_back(first: requests.Response, last: requests.Response, error: str, profile: dict[str, Any]) -> str:
    """The scheme in which Windows would go on with NTLM, or nothing.

    Inside Negotiate that is what it does when the KDC knows no such SPN, and only then: not when no KDC
    answers (row A-02), and not when the server could not open the ticket.
    """
    if last.status_code != UNAUTHORIZED or not profile["ntlm"]:
        return ""
    offered = schemes(first)
    if profile["integrated"] and "Negotiate" in offered:
        return "Negotiate" if error == "KDC_ERR_S_PRINCIPAL_UNKNOWN" else ""
    return "NTLM" if "NTLM" in offered else ""


def schemes(response: requests.Response) -> list[str]:
    """What an answer offers, without its tokens."""
    return [each.split()[0] for each in response.headers.get("WWW-Authenticate", "").split(",") if each.strip()]


def ask_by_ntlm(session: requests.Session, url: str, scheme: str, logon: dict[str, str]) -> requests.Response:
    """Ask with NTLM's messages, which have to travel on one connection; gives the last answer.

    Bare messages, also inside Negotiate: that is what Windows sends there (row E-23).
    """
    user = f"{logon['domain']}\\{logon['user']}"
    context = spnego.client(username=user, password=logon["password"], protocol="ntlm")
    challenge = None
    while True:
        token = context.step(challenge) or b""
        header = {"Authorization": f"{scheme} {base64.b64encode(token).decode()}"}
        response = session.get(url, timeout=SECONDS, headers=header, auth=_as_given)
        challenge = _challenge(response, scheme)
        if not challenge or context.complete:
            return response


def _as_given(request: Any) -> Any:
    """Keeps the session's own authentication out of it."""
    return request


def _challenge(response: requests.Response, scheme: str) -> bytes:
    """The server's message in a 401, if there is one."""
    answered, _, text = response.headers.get("WWW-Authenticate", "").partition(" ")
    if response.status_code != UNAUTHORIZED or answered != scheme or "," in text:
        return b""
    return base64.b64decode(text)
