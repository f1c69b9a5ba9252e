"""Boxes of Windows guests with Vagrant itself: fetched, or told to be missing, before the first guest is made.

The hypervisor is a stand-in; the catalogue is a server of the test's own.
"""

import io
import json
import shutil
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from doublehop.providers import vagrant_machines
from tests.winrm.conftest import KIND, SLASH

RUN = ("bin/doublehop", "run", "--lab=vagrant", f"--lab-vagrant-provider={KIND}", "constrained::listed")
BY_HAND = ("vagrant", "up")
BESIDE = {"SIDE_BY_SIDE": "1", "DOUBLEHOP_LINUX_IMAGE": "any"}
"""Machines come up side by side, where no image for containers is to be built."""
CLIENT = json.loads(vagrant_machines.PATH.read_text())["windows"]["guests"]["client1"]
OWN = "mine/windows"


@pytest.fixture
def catalogue(tmp_path):
    """Where a catalogue answers that has one box."""
    folder = tmp_path / "catalogue"
    (folder / "mine").mkdir(parents=True)
    metadata = json.dumps({"provider": KIND}).encode()
    with tarfile.open(folder / "windows.box", "w:gz") as box:
        file = tarfile.TarInfo("metadata.json")
        file.size = len(metadata)
        box.addfile(file, io.BytesIO(metadata))

    class Handler(SimpleHTTPRequestHandler):
        def guess_type(self, path):
            return "application/octet-stream" if str(path).endswith(".box") else "application/json"

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        providers = [{"name": KIND, "url": f"{url}/windows.box"}]
        (folder / "mine" / "windows").write_text(
            json.dumps({"name": OWN, "versions": [{"version": "1.0.0", "providers": providers}]}))
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield url
        server.shutdown()
        thread.join()


def made(checkout):
    """The guests that there are, and what is kept of them."""
    return [*(checkout / ".vagrant").glob("machines/*/*/id"), *(checkout / ".vagrant").rglob("secrets.json")]


@pytest.mark.parametrize(("argv", "code", "beside"), [
    (RUN, 2, {}), (BY_HAND, 1, {}), (RUN, 2, BESIDE), (BY_HAND, 1, BESIDE),
], ids=["run", "by hand", "run, side by side", "by hand, side by side"])
def test_a_box_that_cannot_be_had_is_told_before_a_guest_is_made(by_hand, checkout, boxes, argv, code, beside):
    name, version = CLIENT["box"], CLIENT["version"]
    shutil.rmtree(boxes / name.replace("/", SLASH))
    done = by_hand(*argv, **beside)
    assert (done.returncode, made(checkout)) == (code, []), done.stdout
    told = f"client1: no box {name} {version} for {KIND}; run `vagrant box add {name} --box-version {version} " \
           f"--provider={KIND}` where the catalogue answers, or name a box of your own by DOUBLEHOP_WINDOWS_CLIENT1_BOX"
    assert f"{told} (Vagrant says: The box '{name}' could not be found" in " ".join(done.stdout.split())


def test_a_box_that_is_not_there_for_the_provider_is_told_before_a_guest_is_made(by_hand, checkout):
    """Vagrant would look for it in the catalogue, when the others are up."""
    topology = checkout / "lab" / "vagrant" / "machines.json"
    described = json.loads(topology.read_text())
    described["windows"]["boxes"]["client"]["11"]["providers"].remove(KIND)
    topology.write_text(json.dumps(described))
    done = by_hand(*BY_HAND)
    assert (done.returncode, made(checkout)) == (1, []), done.stdout
    assert f"DOUBLEHOP_WINDOWS_CLIENT: there is no {CLIENT['box']} " in done.stdout


def test_a_box_of_the_catalogue_is_fetched_before_a_guest_is_made(by_hand, checkout, boxes, catalogue):
    done = by_hand(*RUN, VAGRANT_SERVER_URL=catalogue, DOUBLEHOP_WINDOWS_WEB1_BOX=OWN,
                   DOUBLEHOP_WINDOWS_SQL1_BOX="mine/other")
    assert (done.returncode, made(checkout)) == (2, []), done.stdout
    assert "sql1: no box mine/other for virtualbox; run `vagrant box add mine/other --provider" in done.stdout
    assert (boxes / OWN.replace("/", SLASH) / "1.0.0" / KIND / "metadata.json").exists(), "of web1, which comes before"


def test_with_its_box_of_the_catalogue_a_guest_is_made_whatever_those_lack_that_nobody_asked_for(
        by_hand, checkout, catalogue):
    done = by_hand(*BY_HAND, "web1", VAGRANT_SERVER_URL=catalogue, DOUBLEHOP_WINDOWS_WEB1_BOX=OWN,
                   DOUBLEHOP_WINDOWS_SQL1_BOX="mine/other")
    assert f"Successfully added box '{OWN}' (v1.0.0) for '{KIND}'!" in done.stdout
    assert "web1 is made, and nobody answers" in done.stdout
    assert [each.parts[-3] for each in made(checkout)] == ["web1"]


def test_a_guest_that_is_made_needs_its_box_no_more(by_hand, boxes):
    for _ in ("with it", "without"):
        assert "web1 is made, and nobody answers" in by_hand(*BY_HAND, "web1").stdout
        shutil.rmtree(boxes, ignore_errors=True)
