"""Asks for a page with .NET's own client (rows E-17 to E-19)."""

import json
from pathlib import Path
from typing import Any

from doublehop.machine.traced import run_traced

HOME = Path("/run/dotnet")
SETTINGS = {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "DOTNET_EnableDiagnostics": "0", "DOTNET_NOLOGO": "1"}
PORT_IN_SPN = {"DOTNET_SYSTEM_NET_HTTP_USEPORTINSPN": "1"}
"""The switch by which .NET goes back to what .NET 5 did (row E-17; Microsoft Learn, "Port removed from SPN")."""


def ask(url: str, *, times: int, profile: dict[str, Any], authority: Path, timeout: float) -> dict[str, Any]:
    """Ask as whoever the environment's credential cache is of; what came back, the SPN and the KDC's error."""
    trusted = {"SSL_CERT_FILE": str(authority)} if authority.exists() else {}
    text, told = run_traced(
        str(HOME / "dotnet"), str(HOME / "client" / "app" / "client.dll"), url, str(times), timeout=timeout,
        env={**SETTINGS, **trusted, **(PORT_IN_SPN if profile["port_in_spn"] else {})},
    )
    answer: dict[str, Any] = json.loads(text)
    return answer | told
