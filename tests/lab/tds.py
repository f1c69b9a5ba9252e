"""A server that speaks as much of SQL Server's protocol (MS-TDS) as one connection with one question takes.

It knows no SQL and checks nobody: a test says which row it answers, or with which error it refuses the login.
"""

import socketserver
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

HEADER = struct.Struct(">BBHHBB")
"""Type, status, length, channel, number and window of a packet (2.2.3.1)."""
BATCH, ANSWER, LOGIN, PRELOGIN = 0x01, 0x04, 0x10, 0x12
LAST = 0x01
VERSION, ENCRYPTION, END = 0x00, 0x01, 0xFF
NO_ENCRYPTION = 2
COLUMNS, ERROR, LOGIN_TAKEN, ROW, DONE = 0x81, 0xAA, 0xAD, 0xD1, 0xFD
NVARCHAR = 0xE7
PROTOCOL = 0x74000004
"""TDS 7.4."""
COLLATION = bytes.fromhex("0904d00034")
FAILED, COUNTED = 0x02, 0x10


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An error as SQL Server sends it (2.2.7.10)."""

    number: int
    severity: int
    message: str


@dataclass
class Answers:
    """What whoever connects is told: a row of texts, or why they are not let in; `asked` is what they asked."""

    row: tuple[str, ...] = ()
    refusal: Refusal | None = None
    asked: list[str] = field(default_factory=list)


def _text(words, size="<B"):
    return struct.pack(size, len(words)) + words.encode("utf-16-le")


def _token(kind, content):
    return struct.pack("<BH", kind, len(content)) + content


def _prelogin():
    """The server's version, and that it has no encryption (2.2.6.5)."""
    values = {VERSION: struct.pack(">BBHH", 16, 0, 1000, 0), ENCRYPTION: bytes([NO_ENCRYPTION])}
    at, options = 5 * len(values) + 1, b""
    for name, value in values.items():
        options += struct.pack(">BHH", name, at, len(value))
        at += len(value)
    return options + bytes([END]) + b"".join(values.values())


def _refused(refusal):
    content = struct.pack("<IBB", refusal.number, 1, refusal.severity) + _text(refusal.message, "<H")
    content += _text("sql1") + _text("") + struct.pack("<I", 1)
    return _token(ERROR, content) + _done(FAILED)


def _taken():
    name = "Microsoft SQL Server"
    return _token(LOGIN_TAKEN, struct.pack(">BI", 1, PROTOCOL) + _text(name) + bytes([16, 0, 3, 232])) + _done(0)


def _answer(row):
    columns = b"".join(struct.pack("<IHBH", 0, 1, NVARCHAR, 256) + COLLATION + _text("") for _ in row)
    values = b"".join(struct.pack("<H", 2 * len(each)) + each.encode("utf-16-le") for each in row)
    return (struct.pack("<BH", COLUMNS, len(row)) + columns + bytes([ROW]) + values + _done(COUNTED, rows=1))


def _done(status, rows=0):
    return struct.pack("<BHHQ", DONE, status, 0, rows)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, answers):
        self.answers = answers
        super().__init__(("127.0.0.1", 0), _Conversation)


class _Conversation(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self):
        answers = self.server.answers
        with suppress(ConnectionError):
            while message := self._read():
                kind, content = message
                if kind == PRELOGIN:
                    self._send(_prelogin())
                elif kind == LOGIN:
                    self._send(_refused(answers.refusal) if answers.refusal else _taken())
                elif kind == BATCH:
                    headers = struct.unpack_from("<I", content)[0]
                    answers.asked.append(content[headers:].decode("utf-16-le"))
                    self._send(_answer(answers.row))

    def _read(self):
        """A whole message, of one or more packets; nothing once the client is gone."""
        content = b""
        while header := self._exactly(HEADER.size):
            kind, status, length, *_ = HEADER.unpack(header)
            content += self._exactly(length - HEADER.size)
            if status & LAST:
                return kind, content
        return None

    def _exactly(self, number):
        read = b""
        while len(read) < number:
            part = self.request.recv(number - len(read))
            if not part:
                return b""
            read += part
        return read

    def _send(self, content):
        self.request.sendall(HEADER.pack(ANSWER, LAST, HEADER.size + len(content), 0, 1, 0) + content)


@contextmanager
def serving(answers):
    """Serve on a port of loopback; gives the port."""
    with _Server(answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
