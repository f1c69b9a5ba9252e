"""Asks for a page with the program that people try things with (row E-15); only it offers HTTP/2 here (row B-30)."""

from pathlib import Path
from typing import Any

from doublehop.machine.traced import run_traced

END = "\f"
"""After each answer."""


def ask(url: str, *, times: int, profile: dict[str, Any], authority: Path, timeout: float) -> dict[str, Any]:
    """Ask as whoever the environment's credential cache is of; what came back, the SPN and the KDC's error."""
    limit = "policy" if profile["honour_ok_as_delegate"] else "always"
    text, told = run_traced(
        "curl", "--silent", "--show-error", *(["--http2"] if profile["http2"] else []), "--negotiate", "--user", ":",
        "--delegation", limit if profile["delegate"] else "none",
        *(["--cacert", str(authority)] if authority.exists() else []),
        "--write-out", f"\n%{{http_code}} %{{http_version}}{END}", *[url] * times, env={}, timeout=timeout,
    )
    body, _, last = text.split(END)[-2].rpartition("\n")
    status, version = last.split()
    return {"status": int(status), "http": version, "body": body, **told}
