"""Windows guests as far as SSH shows them: servers on this host's loopback, and models of Windows behind them."""

import asyncio
import base64
import re
import threading
import traceback

import asyncssh

INNER = re.compile(r'^\$ProgressPreference = "SilentlyContinue"; (powershell\.exe -.*)$')
"""How `vagrant ssh` has a guest's PowerShell run a command."""
ENCODED = re.compile(r"^powershell .*-encodedcommand (\S*)$", re.IGNORECASE)
LONGEST = 8191
"""The longest command line that cmd.exe takes, which is what OpenSSH for Windows starts."""


class Machine:
    """A guest: a model, its `powershell.exe`, and whether somebody is logged on to it."""

    def __init__(self, name, model, powershell, drive):
        self.name, self.model, self.powershell, self.drive = name, model, powershell, drive
        self.port, self.down, self.ran = 0, False, []

    def run(self, command):
        """What Windows does with a command line; gives exit code, output and errors."""
        assert len(command) < LONGEST, command[:200]
        encoded = ENCODED.match(command)
        assert encoded, command
        text = base64.b64decode(encoded[1]).decode("utf-16-le")
        if not text or text.endswith(";dir"):  # Vagrant asks whether there is a shell that answers
            return {"code": 0, "stdout": "", "stderr": ""}
        inner = INNER.match(text)
        if not inner:
            return {"code": 1, "stdout": "", "stderr": f"not understood: {text}"}
        argv = inner[1].split()
        self.ran.append(base64.b64decode(argv[-1]).decode("utf-16-le"))
        return self.powershell.run(id(argv), argv, "")

    def start_anew(self):
        """Begin again, if that was asked for; nobody gets in meanwhile."""
        if not self.ran or not self.model.state["world"].get("restarts"):
            return
        self.down = True
        self.model.restart()
        self.model.change(restarts=False)
        self.down = False


class Servers:
    """An SSH server for each machine, all of them in one thread."""

    def __init__(self, machines, folder):
        self.machines, self.failed = machines, []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._key = asyncssh.generate_private_key("ssh-rsa")
        self.key_path = folder / "key"
        self._key.write_private_key(str(self.key_path), "pkcs1-pem")
        self.key_path.chmod(0o600)
        self._servers = [self._wait(self._serve(each)) for each in machines.values()]

    def _wait(self, what):
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    async def _serve(self, machine):
        async def handle(process):
            if machine.down:
                process.exit(255)
                return
            try:
                done = await asyncio.to_thread(machine.run, process.command)
                process.stdout.write(done["stdout"])
                process.stderr.write(done["stderr"])
                process.exit(done["code"])
                await asyncio.to_thread(machine.start_anew)
            except Exception:  # noqa: BLE001 - whatever it is, the test is to hear of it
                self.failed.append(f"{process.command}: {traceback.format_exc()}")
                process.exit(1)

        class Drive(asyncssh.SFTPServer):
            def map_path(self, path):
                return f"{machine.drive}/{path.decode().removeprefix('C:').lstrip('/')}".encode()

        class Everybody(asyncssh.SSHServer):
            def begin_auth(self, username):
                return True

            def public_key_auth_supported(self):
                return True

            def validate_public_key(self, username, key):
                return username == "vagrant"

        server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[self._key], process_factory=handle,
                                       server_factory=Everybody, sftp_factory=Drive)
        machine.port = server.get_port()
        return server

    def close(self):
        """End all of it."""
        self._wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _end(self):
        for each in self._servers:
            each.close()
            await each.wait_closed()
