"""One request to a FastCGI server on a socket, as a web server makes it (FastCGI specification 1.0)."""

import socket
import struct

VERSION, RESPONDER = 1, 1
BEGIN, END, PARAMS, STDIN, STDOUT, STDERR = 1, 3, 4, 5, 6, 7


def _record(kind, content):
    return struct.pack("!BBHHBx", VERSION, kind, 1, len(content), 0) + content


def _pair(name, value):
    name, value = name.encode(), value.encode()
    sizes = [struct.pack("!B", len(each)) if len(each) < 128 else struct.pack("!L", len(each) | 1 << 31)
             for each in (name, value)]
    return b"".join(sizes) + name + value


def get(path, folder, query="", seconds=60):
    """Ask for a path of the application in `folder`; gives status, headers and body.

    Raises OSError when nothing listens at that socket yet.
    """
    parameters = {
        "REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80", "HTTP_HOST": "localhost", "SCRIPT_NAME": path, "PATH_INFO": "", "QUERY_STRING": query,
        "REQUEST_URI": f"{path}?{query}", "DOCUMENT_ROOT": str(folder), "SCRIPT_FILENAME": f"{folder}{path}",
        "REMOTE_ADDR": "127.0.0.1", "SERVER_ADDR": "127.0.0.1", "CONTENT_LENGTH": "0",
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(f"{folder}/socket")
        connection.sendall(
            _record(BEGIN, struct.pack("!HB5x", RESPONDER, 0))
            + _record(PARAMS, b"".join(_pair(*each) for each in parameters.items())) + _record(PARAMS, b"")
            + _record(STDIN, b""))
        said = {STDOUT: b"", STDERR: b""}
        with connection.makefile("rb") as answers:
            while True:
                _, kind, _, size, padding = struct.unpack("!BBHHBx", answers.read(8))
                content = answers.read(size + padding)[:size]
                if kind == END:
                    break
                said[kind] += content
    head, _, body = said[STDOUT].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
    return int(headers.get("Status", "200").split()[0]), headers, body.decode()
