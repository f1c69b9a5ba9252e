"""Asks for a page with .NET's own client (rows E-17 to E-19), and reads what it asked the KDC for out of MIT's trace.

.NET tells a program neither which SPN it asked for nor why it got no ticket; the library under it writes both down.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from doublehop.codes import from_minor, name_of
from doublehop.machine.agent import run

HOME = Path("/run/dotnet")
SETTINGS = {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "DOTNET_EnableDiagnostics": "0", "DOTNET_NOLOGO": "1"}
PORT_IN_SPN = {"DOTNET_SYSTEM_NET_HTTP_USEPORTINSPN": "1"}
"""The switch by which .NET goes back to what .NET 5 did (row E-17; Microsoft Learn, "Port removed from SPN")."""
_WANTED = re.compile(r"Getting credentials \S+ -> (HTTP/[^@\s]+)@")
_RESULT = re.compile(r"TGS request result: (-?\d+)/")


def ask(url: str, *, times: int, port_in_spn: bool, authority: Path, timeout: float) -> dict[str, Any]:
    """Ask as whoever the environment's credential cache is of; what came back, the SPN and the KDC's error."""
    with tempfile.NamedTemporaryFile() as trace:
        trusted = {"SSL_CERT_FILE": str(authority)} if authority.exists() else {}
        answer: dict[str, Any] = json.loads(run(
            str(HOME / "dotnet"), str(HOME / "client" / "app" / "client.dll"), url, str(times), timeout=timeout,
            env={**SETTINGS, **trusted, **(PORT_IN_SPN if port_in_spn else {}), "KRB5_TRACE": trace.name},
        ))
        return answer | told_by(Path(trace.name).read_text())


def told_by(trace: str) -> dict[str, str]:
    """What a trace says of a client's tickets for web servers: the last SPN, and the error it was refused with."""
    wanted, results = _WANTED.findall(trace), [int(each) for each in _RESULT.findall(trace)]
    error = name_of(from_minor(results[-1])) if results and results[-1] else ""
    return {"spn": wanted[-1] if wanted else "", "error": error}
