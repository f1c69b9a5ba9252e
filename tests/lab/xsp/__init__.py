"""XSP, Mono's web server for ASP.NET, as Debian 12 ships it.

Its program names types of an old TLS that Mono has dropped since (mono/mono#18500), and so does not start on Debian's
Mono 6.8. Here a copy of it takes those names from `Tls.cs`, where they are empty; everything else is Debian's.
"""

import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from doublehop import cache
from doublehop.run import run
from doublehop.wait import until

PROGRAM = Path("/usr/lib/mono/4.5/xsp4.exe")
CECIL = "/usr/lib/mono/gac/Mono.Cecil/*/Mono.Cecil.dll"
"""What Debian's `mono-devel` reads and writes programs with; `mono-xsp4` needs that package."""
SOURCES = [Path(__file__).with_name(each) for each in ("Retarget.cs", "Tls.cs")]
TOKENS, IMPERSONATION = (Path(__file__).with_name(each) for each in ("Tokens.cs", "Impersonation.cs"))
"""Programs of ours around classes of the page."""
NAMESPACE = "Mono.Security.Protocol.Tls"
START_SECONDS, BUILD_SECONDS = 60, 60


def missing():
    """Whether what the copy is made of, or runs on, is not installed."""
    return not (shutil.which("mono") and shutil.which("mcs") and PROGRAM.exists() and _cecil())


def _cecil():
    return sorted(map(str, Path("/").glob(CECIL.lstrip("/"))))


def _build(folder):
    folder.mkdir()
    retarget, tls = SOURCES
    for argv in (["mcs", f"-out:{folder}/retarget.exe", f"-r:{_cecil()[-1]}", str(retarget)],
                 ["mcs", "-target:library", f"-out:{folder}/{NAMESPACE}.dll", str(tls)],
                 ["mono", f"{folder}/retarget.exe", str(PROGRAM), NAMESPACE, NAMESPACE, f"{folder}/{PROGRAM.name}"]):
        run(argv, timeout=BUILD_SECONDS).check()


@contextmanager
def serving(application):
    """Serve a folder as the application at `/`, on a port of loopback that XSP takes; gives the port."""
    built = cache.built("xsp", cache.key_of(*(each.read_bytes() for each in (PROGRAM, *SOURCES))), _build)
    said = application.with_name("xsp.log")
    with said.open("w") as log, subprocess.Popen(
            ["mono", built / PROGRAM.name, "--nonstop", "--address=127.0.0.1", "--port=0",
             f"--applications=/:{application}"],
            env={**os.environ, "MONO_PATH": str(built)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as server:

        def port():
            assert server.poll() is None, said.read_text()
            found = re.search(r"Listening on port: (\d+)", said.read_text())
            return found and int(found[1])

        try:
            yield until("XSP", START_SECONDS, port, every=0.1)
        finally:
            server.kill()
