"""Runs inside the client machine: sends raw requests, one connection each, and says what came back.

Reads a JSON list of [host, base64 of an Authorization value] from standard input; writes a JSON list of
[status, body] with status 0 where the server closed without an answer.
"""

import base64
import json
import socket
import sys

SECONDS = 10


def send(host: str, value: bytes) -> tuple[int, str]:
    with socket.create_connection((host, 80), timeout=SECONDS) as connection:
        connection.settimeout(SECONDS)
        head = f"GET /whoami?back_ends= HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: ".encode()
        try:
            connection.sendall(head + value + b"\r\n\r\n")
        except OSError:
            pass
        answer = b""
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
    if not answer.startswith(b"HTTP/1.1 "):
        return 0, answer.decode(errors="replace")
    return int(answer[9:12]), answer.partition(b"\r\n\r\n")[2].decode(errors="replace")


json.dump([send(host, base64.b64decode(value)) for host, value in json.load(sys.stdin)], sys.stdout)
