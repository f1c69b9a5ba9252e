"""An environment of another make: MIT's KDC, Apache with mod_auth_gssapi, and PostgreSQL, in a network of its own.

It is what stands in `apache/`, on a root filesystem made from Debian's packages and kept in the cache. Nothing of it is
the lab's, and its directory cannot be read.
"""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from doublehop import cache
from doublehop.lab import new_password

HERE = Path(__file__).parent / "apache"
RELEASE = "trixie"
START_SECONDS = 60
BUILD_SECONDS = 600
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
IN_MEMORY = ("/run", "/tmp", "/var/tmp", "/var/log", "/var/lib/krb5kdc", "/state")
INVENTORY = """
[domain]
realm = "OTHER.TEST"
netbios = "OTHER"
kdc = "dc.other.test"
name_server = "10.94.0.10"

[machines.web1]
host = "web.other.test"
account = "host/web.other.test"

[machines.sql1]
host = "db.other.test"
account = "host/db.other.test"

[names]
portal = "portal.other.test"

[accounts.alice]
account = "alice"
role = "user"
password_env = "ALICE_PASSWORD"
stated = {}

[accounts.pool]
account = "HTTP/portal.other.test"
role = "service"
stated = { spns = ["HTTP/portal.other.test"], trusted_for_delegation = true }

[front_ends.web1]
applicationPools.Apache = { identityType = "SpecificUser", userName = "pool" }
sites.Apache.bindings = ["*:8080:{portal}"]
sites.Apache.windowsAuthentication = { providers = ["Negotiate"], useKernelMode = false }
sites.Apache.applications."/" = { applicationPool = "Apache", impersonate = true }

[back_ends.sql]
machine = "sql1"
spns = ["MSSQLSvc/db.other.test"]
logins = ["alice", "pool", "web1", "sql1"]
"""
SCENARIOS = """
[trusted]
from = "delegation::trusted"
title = "Apache's account is trusted for delegation"
why = "The ticket says ok-as-delegate, so the TGT goes along and hop 2 goes out with it."
sources = ["C-02"]
change.given.front_ends.web1.sites.Portal.bindings = ["*:8080:{portal}"]
change.given.front_ends.web1.sites.Portal.windowsAuthentication.providers = ["Negotiate"]
change.when.get = "http://{portal}:8080/whoami"

[trusted.expect]
spn = "HTTP/{portal}"
status = 200
scheme = "Kerberos"
user = "alice"
level = "Delegate"
sees.sql = "alice"

[another-page]
from = "trusted"
title = "A page that knows nothing of the contract"
why = "What it says cannot be read."
sources = []
change.when.get = "http://{portal}:8080/plain"

[another-page.expect]
spn = "HTTP/{portal}"
status = 200
scheme = "Kerberos"
user = "alice"
level = "Delegate"
sees.sql = "alice"

[not-trusted]
from = "trusted"
title = "Apache's account is not trusted for delegation"
why = "Without ok-as-delegate the client keeps its TGT; the KDC refuses a proxy ticket because no list names anything."
sources = ["C-01", "C-02"]
change.given.accounts.pool.trusted_for_delegation = false

[not-trusted.expect]
spn = "HTTP/{portal}"
status = 200
scheme = "Kerberos"
user = "alice"
level = "Impersonate"
fails.sql = "KDC_ERR_BADOPTION"
"""


def image():
    """The root filesystem, made once; raises RuntimeError with the builder's last words when that fails."""

    def build(path):
        done = subprocess.run([HERE / "build", RELEASE, HERE / "packages.txt", path], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        if done.returncode:
            raise RuntimeError("\n".join(done.stderr.splitlines()[-3:]))

    key = cache.key_of(RELEASE, (HERE / "packages.txt").read_bytes(), (HERE / "build").read_bytes())
    return cache.built("images", f"apache-{key}", build)


@dataclass
class Other:
    """The environment while it stands."""

    pid: int
    folder: Path
    password: str

    def administer(self, command):
        """Have the KDC's own administrator do something."""
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", "--user", "--mount", "--net", "--pid", "--preserve-credentials", "--",
             "env", "-i", f"PATH={PATH}",
             "KRB5_KDC_PROFILE=/opt/stand-in/kdc.conf", "kadmin.local"],
            input=f"{command}\n", capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr

    def visit(self, *changes):
        """Run the scenarios that were written for it, from its own network, with an inventory changed so."""
        inventory, scenarios = self.folder / "inventory.toml", self.folder / "apache.toml"
        text = INVENTORY
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        inventory.write_text(text)
        scenarios.write_text(SCENARIOS)
        return subprocess.run(
            ["nsenter", f"--target={self.pid}", "--user", "--net", "--preserve-credentials", "--", sys.executable, "-m",
             "doublehop", "run", "--lab=existing", "--lab-inventory", inventory, scenarios],
            capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
            env={**os.environ, "ALICE_PASSWORD": self.password})


@contextmanager
def standing(root, folder):
    """Bring it up; the kernel ends all of it with this process."""
    password = new_password()
    status, status_in = os.pipe()
    argv = ["bwrap", "--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL", "--unshare-net", "--unshare-pid",
            "--unshare-ipc", "--unshare-uts", "--hostname", "other", "--ro-bind", str(root), "/", "--dev", "/dev",
            "--proc", "/proc", *(part for each in IN_MEMORY for part in ("--tmpfs", each)),
            "--ro-bind", str(HERE), "/opt/stand-in", "--ro-bind", str(HERE / "hosts"), "/etc/hosts",
            "--ro-bind", str(HERE / "krb5.conf"), "/etc/krb5.conf",
            "--die-with-parent", "--clearenv", "--setenv", "PATH", PATH,
            "--json-status-fd", str(status_in), "/opt/stand-in/start"]
    log = folder / "stand-in.log"
    with log.open("w") as errors, subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                                   text=True, pass_fds=[status_in]) as process:
        try:
            os.close(status_in)
            with os.fdopen(status) as told:
                pid = json.loads(told.readline())["child-pid"]
                assert process.stdin is not None and process.stdout is not None
                process.stdin.write(f"{password}\n")
                process.stdin.flush()
                assert process.stdout.readline() == "ready\n", log.read_text()
                yield Other(pid, folder, password)
        finally:
            process.kill()
