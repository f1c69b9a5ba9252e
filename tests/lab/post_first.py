"""Runs inside the client machine: posts a body as one user and says what became of it.

Like the browser of row B-40, Python's own HTTP client sends a whole body before it reads any answer. Reads from
standard input a host, the user's ccache, what goes before (`nothing`, `a page`, or `a token` with the body itself)
and the body's size in bytes. Writes the statuses seen in order, and last `cut` where the connection was.
"""

import base64
import http.client
import json
import sys

import gssapi

SECONDS = 20
PATH = "/whoami?back_ends="


def token(host: str, ccache: str) -> str:
    credentials = gssapi.Credentials(usage="initiate", store={"ccache": ccache})
    name = gssapi.Name(f"HTTP@{host}", gssapi.NameType.hostbased_service)
    made = gssapi.SecurityContext(name=name, usage="initiate", creds=credentials).step()
    return "Negotiate " + base64.b64encode(made).decode()


def post(host: str, ccache: str, before: str, size: int) -> list[int | str]:
    seen: list[int | str] = []
    connection = http.client.HTTPConnection(host, timeout=SECONDS)

    def ask(method: str, body: bytes | None, header: dict[str, str]) -> None:
        connection.request(method, PATH, body, header)
        answer = connection.getresponse()
        answer.read()
        seen.append(answer.status)

    proof = {"Authorization": token(host, ccache)}
    if before == "a page":
        ask("GET", None, proof)
    try:
        ask("POST", bytes(size), proof if before == "a token" else {})
    except (BrokenPipeError, ConnectionResetError):
        seen.append("cut")
    return seen


json.dump(post(**json.load(sys.stdin)), sys.stdout)
