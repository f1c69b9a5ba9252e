"""Runs a program whose Kerberos library writes down what it does (MIT's KRB5_TRACE), and reads what that says.

Programs tell neither which SPN they asked for nor why they got no ticket; the library under them notes both.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from doublehop.codes import LocalError, from_minor, name_of
from doublehop.machine.agent import run

_WANTED = re.compile(r"Getting credentials \S+ -> ([^@\s]+)@")
_RESULT = re.compile(r"TGS request result: (-?\d+)/")
_EXCHANGE = re.compile(r"(Sending request|Received answer) \(\d+ bytes\)")


def run_traced(*argv: str, env: Mapping[str, str], timeout: float) -> tuple[str, dict[str, str]]:
    """Run a program to its end; gives its standard output, and what the trace tells of its tickets."""
    with tempfile.NamedTemporaryFile() as trace:
        output = run(*argv, env={**env, "KRB5_TRACE": trace.name}, timeout=timeout)
        return output, told_by(Path(trace.name).read_text())


def told_by(trace: str) -> dict[str, str]:
    """What a trace says of a client's tickets for web servers: the last SPN, and the error it was refused with.

    There is no line for a KDC that nobody reached: what was sent has no answer then.
    """
    _, *asked = _WANTED.split(trace)
    for spn, about in reversed([*zip(asked[::2], asked[1::2], strict=True)]):
        if spn.startswith("HTTP/"):
            return {"spn": spn, "error": _error(about)}
    return {"spn": "", "error": ""}


def _error(about: str) -> str:
    """What came of asking for one ticket."""
    exchanges, results = _EXCHANGE.findall(about), [int(each) for each in _RESULT.findall(about)]
    if exchanges and exchanges[-1] == "Sending request":
        return LocalError.NO_KDC_REACHABLE.name
    return name_of(from_minor(results[-1])) if results and results[-1] else ""
