"""Both pages of ASP.NET on this host, without a lab: the one for IIS on Mono's XSP, ASP.NET Core's on Kestrel."""

import http.client
import json
import os
import shutil
import socket
import subprocess
from contextlib import closing, contextmanager
from ctypes.util import find_library

from doublehop import dotnet
from doublehop.data import LAB
from tests.lab import xsp

FRAMEWORK = LAB / "aspnet" / "framework"
REQUEST_SECONDS = 60
COMPUTER = f"{socket.gethostname().partition('.')[0]}$".lower()
AS_OTHERS_SEE_THEM = {
    r"NT AUTHORITY\LOCAL SERVICE": "", r"NT AUTHORITY\NETWORK SERVICE": COMPUTER, r"NT AUTHORITY\SYSTEM": COMPUTER,
    r"IIS APPPOOL\Portal": COMPUTER, r"DOUBLEHOP\lab-pool": r"doublehop\lab-pool",
}
"""Accounts by their names on the machine, and who each is to a back end, in small letters."""
ICU_MISSING = "ICU missing, try apt-get install libicu-dev"
WITH_LANGUAGES = {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "0"}
"""SqlClient wants names of languages, which are ICU's and which the page does without elsewhere."""


def icu_missing():
    """Whether .NET would find no names of languages here, and would not start when it is told to have them."""
    return find_library("icuuc") is None


def _asking(port):
    def ask(query):
        """Status and JSON."""
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)) as connection:
            connection.request("GET", f"/whoami?{query}")
            answer = connection.getresponse()
            body = answer.read()
        assert answer.headers.get_content_type() == "application/json", body
        return answer.status, json.loads(body)

    return ask


@contextmanager
def on_mono(folder, back_ends):
    """Its back ends alone, `kind where` by name, are others than in the folder that IIS gets; gives how to ask it."""
    page = shutil.copytree(FRAMEWORK, folder / "p", ignore=shutil.ignore_patterns("bin", "obj"))
    config = page / "web.config"
    own = config.read_text()
    begin, end = own.index('<add key="back-end:sql"'), own.index("</appSettings>")
    settings = "".join(f'<add key="back-end:{name}" value="{value}" />' for name, value in back_ends.items())
    config.write_text(own[:begin] + settings + own[end:])
    with xsp.serving(page) as port:
        yield _asking(port)


@contextmanager
def on_kestrel(back_ends):
    """Open to everybody, with these back ends, `kind where` by name; gives how to ask it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    settings = {"applications": [{"address": "127.0.0.1", "port": port, "negotiate": False, "anonymous": True}],
                "backEnds": {name: dict(zip(("kind", "where"), each.split(" ", 1), strict=True))
                             for name, each in back_ends.items()}}
    argv = [dotnet.has().root / "dotnet", dotnet.published("core") / "app" / "whoami.dll"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=os.environ | WITH_LANGUAGES) as process:
        assert process.stdin and process.stdout
        print(json.dumps({"configure": settings}), file=process.stdin, flush=True)
        assert process.stdout.readline(), "the page ended"
        yield _asking(port)
        process.stdin.close()  # with which it ends
        process.wait(REQUEST_SECONDS)
