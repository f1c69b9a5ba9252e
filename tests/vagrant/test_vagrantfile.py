"""The Vagrantfile by hand: what Vagrant itself makes of it, without doublehop."""

import json
import os
import shutil
import subprocess
from functools import partial

import pytest

from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.providers import docker as containers
from doublehop.providers import vagrant_machines
from doublehop.providers.docker_image import machine_image

ROOT = LAB.parent
TOLD = """# Two providers are plugins of their own. Of their documented options these are set.
class Plugins < Vagrant.plugin("2")
  name "stand-ins"
  { libvirt: [], vmware_desktop: [:linked_clone] }.each do |each, own|
    provider(each) { Class.new(Vagrant.plugin("2", :provider)) }
    config(each, :provider) { Class.new(Vagrant.plugin("2", :config)) { attr_accessor :memory, :cpus, *own } }
  end
end
load %r
Vagrant.configure("2") do |config|
  config.trigger.before :status, type: :command do |trigger|
    trigger.ruby do |env, _|
      # As `vagrant validate --ignore-provider` does: what is not installed here can be read all the same.
      Vagrant.plugin("2").manager.providers.each { |_, each| each[0].define_singleton_method(:usable?) { |*| true } }
      told = %%w[virtualbox hyperv libvirt vmware_desktop].to_h do |provider|
        [provider, env.machine_names.to_h do |name|
          found = env.vagrantfile.machine_config(name, provider.to_sym, nil)
          vm, own = found[:config].vm, found[:config].vm.get_provider_config(provider.to_sym)
          [name, { box: vm.box, version: vm.box_version, hostname: vm.hostname, guest: vm.guest,
                   address: vm.networks.to_h { |kind, each| [kind, each[:ip]] }["private_network".to_sym],
                   ports: vm.networks.select { |kind, _| kind == "forwarded_port".to_sym && _[:id] != "ssh" }
                            .to_h { |_, each| [each[:guest], each[:host_ip]] },
                   provisioners: vm.provisioners.map { |each| [each.type, each.run] },
                   switch: vm.networks.map { |_, each| each[:bridge] }.compact,
                   folders: vm.synced_folders.reject { |_, each| each[:disabled] }.keys,
                   unknown: own._detected_errors,
                   size: provider == "virtualbox" ? own.customizations.map { |each| each.last.last.to_i }
                                                  : [own.memory, own.cpus] }]
        end]
      end
      File.write(ENV["TOLD"], JSON.dump(told))
      exit
    end
  end
end
"""
HYPERV = """load %r
Vagrant::Util::PowerShell.define_singleton_method(:executable) { ENV["POWERSHELL"] }
Vagrant.configure("2") do |config|
  config.trigger.before :status, type: :command do |trigger|
    trigger.ruby do |env, _|
      guest = Struct.new(:id, :name, :provider_name, :env, :ui, :index_uuid)
      Provisioner.new(guest.new("0f9f6a44-1", :web1, :hyperv, env, env.ui), nil).provision
    end
  end
end
"""
POWERSHELL = """#!/bin/sh
printf '%s\\n' "$@" >"$TOLD"
echo "You do not have the required permission." >&2
exit "$CODE"
"""
"""The host's PowerShell, as far as the Vagrantfile sees it: arguments, an exit code and an error."""


@pytest.fixture(scope="module")
def vagrant(tmp_path_factory):
    """Run a vagrant command that keeps nothing here."""
    tmp_path = tmp_path_factory.mktemp("vagrant")

    def run(*arguments, root=ROOT, **options):
        own = {"VAGRANT_DOTFILE_PATH": str(tmp_path / "machines"), "VAGRANT_HOME": str(tmp_path / "home"),
               "VAGRANT_CHECKPOINT_DISABLE": "1"}
        return subprocess.run(["vagrant", *arguments], cwd=root, env={**os.environ, **own, **options}, check=False,
                              capture_output=True, text=True, timeout=200)

    return run


@pytest.mark.parametrize("provider", ["docker", "virtualbox", "hyperv"])
def test_it_is_valid(vagrant, provider):
    done = vagrant("validate", "--ignore-provider", VAGRANT_DEFAULT_PROVIDER=provider)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Vagrantfile validated successfully.\n")


@pytest.fixture
def told(vagrant, tmp_path):
    """What Vagrant makes of the Vagrantfile for providers that have Windows guests."""

    def ask(**options):
        (tmp_path / "Vagrantfile").write_text(TOLD % str(ROOT / "Vagrantfile"))
        file = tmp_path / "told.json"
        done = vagrant("status", root=tmp_path, TOLD=str(file), VAGRANT_EXPERIMENTAL="typed_triggers", **options)
        assert done.returncode == 0, done.stderr
        return json.loads(file.read_text())

    return ask


def test_windows_guests_are_the_topologys(told):
    topology = topologies.load()
    windows = topology.windows
    for provider, guests in told().items():
        assert list(guests) == list(topology.machines)
        for name, each in guests.items():
            box = windows.boxes.client[windows.client] if name == "client1" else windows.boxes.server[windows.server]
            assert (each["box"], each["version"]) == (box.box, box.version)
            assert (each["hostname"], each["guest"]) == (name, "windows")
            assert each["address"] == str(topology.machines[name].address)
            assert each["folders"] == []
            assert each["unknown"] == []
            outside = {"5986", "636"} if name == "dc1" else {"5986"}
            assert {port for port, host in each["ports"].items() if host == "127.0.0.1"} >= outside
            assert ("636" in each["ports"]) == (name == "dc1")
            assert each["provisioners"] == [["doublehop", "always"]]
            assert each["switch"] == (["Default Switch"] if provider == "hyperv" else [])
            assert each["size"] == [windows.guests[name].memory, windows.guests[name].cpus]


@pytest.mark.parametrize(("code", "said"), [
    ("0", "web1 is not provisioned: Hyper-V missing"),
    ("1", "web1 has no adapter on doublehop: You do not have the required permission."),
])
def test_on_hyper_v_the_host_is_asked_for_the_labs_adapter_before_a_guest_is_provisioned(vagrant, tmp_path, code, said):
    (tmp_path / "Vagrantfile").write_text(HYPERV % str(ROOT / "Vagrantfile"))
    program, file = tmp_path / "powershell", tmp_path / "told"
    program.write_text(POWERSHELL)
    program.chmod(0o700)
    done = vagrant("status", root=tmp_path, VAGRANT_EXPERIMENTAL="typed_triggers", POWERSHELL=str(program),
                   TOLD=str(file), CODE=code)
    assert said in done.stderr + done.stdout
    assert done.returncode == 1
    script = ROOT / "lab" / "windows" / "hyperv-network.ps1"
    *_, command = file.read_text().splitlines()
    assert script.exists()
    assert command == f"& '{script}' -Document ([pscustomobject]@{{vm='0f9f6a44-1'; switch='doublehop'}})"


def test_options_choose_other_boxes_and_sizes(told):
    chosen = told(DOUBLEHOP_WINDOWS_SERVER="2019", DOUBLEHOP_WINDOWS_CLIENT="11-24h2",
                  DOUBLEHOP_WINDOWS_SQL1_MEMORY="8192", DOUBLEHOP_WINDOWS_WEB2_BOX="mine/windows")["hyperv"]
    boxes = topologies.load().windows.boxes
    assert chosen["dc1"]["box"] == boxes.server["2019"].box
    assert chosen["dc1"]["version"] == boxes.server["2019"].version
    assert chosen["client1"]["box"] == boxes.client["11-24h2"].box
    assert chosen["sql1"]["size"] == [8192, 2]
    assert chosen["web2"]["box"] == "mine/windows"
    assert chosen["web2"]["version"] is None, "the topology's version is that of another box"


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the Vagrantfile reads."""
    shutil.copy(ROOT / "Vagrantfile", tmp_path)
    (tmp_path / "lab" / "vagrant").mkdir(parents=True)
    shutil.copy(vagrant_machines.PATH, tmp_path / "lab" / "vagrant")
    return tmp_path


def test_options_may_be_in_a_file(vagrant, checkout):
    (checkout / "lab" / "vagrant" / "options.json").write_text('{"DOUBLEHOP_WINDOWS_SERVER": "2016"}')
    done = vagrant("validate", root=checkout)
    assert done.returncode == 1
    assert 'DOUBLEHOP_WINDOWS_SERVER: expected one of 2025, 2022, 2019, not "2016"\n' in done.stderr
    assert vagrant("validate", root=checkout, DOUBLEHOP_WINDOWS_SERVER="2025").returncode == 0, "a variable comes first"


@pytest.mark.parametrize(("file", "content", "sentence"), [
    ("machines.json", None, "machines.json: is missing; run python -m doublehop.providers.vagrant_machines"),
    ("machines.json", "{", "machines.json: is not JSON"),
    ("machines.json", "[]", "machines.json: expected a JSON object; run python -m"),
    ("options.json", "[", "options.json: is not JSON"),
    ("options.json", "[]", "options.json: expected a JSON object; write one object of options, or remove it"),
])
def test_a_file_that_cannot_be_read_is_named(vagrant, checkout, file, content, sentence):
    path = checkout / "lab" / "vagrant" / file
    path.unlink(missing_ok=True)
    if content:
        path.write_text(content)
    done = vagrant("validate", root=checkout)
    assert done.returncode == 1
    assert sentence in done.stderr


WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PLACE = f"10.93.{240 + WORKER}."
LAB_ID = f"byhand{os.getpid()}"
BY_HAND = {"DOUBLEHOP_LINUX_LAB": LAB_ID, "DOUBLEHOP_LINUX_NETWORK": f"{PLACE}0/24"}


@pytest.fixture(scope="module")
def by_hand(engine, vagrant):
    """A person's own `vagrant up`, and what is left after their `vagrant destroy`."""
    options = {**BY_HAND, "DOUBLEHOP_LINUX_IMAGE": machine_image(engine, topologies.load().image, lambda text: None)}
    done = vagrant("up", "--provider=docker", **options)
    for _ in range(4):
        if done.returncode == 0 or "No such object" not in done.stderr:
            break
        done = vagrant("up", "--provider=docker", **options)  # somebody else's container ended meanwhile
    try:
        assert done.returncode == 0, done.stderr
        yield partial(vagrant, **options)
    finally:
        gone = vagrant("destroy", "--force", **options)
    assert gone.returncode == 0, gone.stderr
    mine = {"label": f"{containers.LABEL}={LAB_ID}"}
    left = [engine.containers.list(all=True, ignore_removed=True, filters=mine), engine.networks.list(filters=mine),
            engine.volumes.list(filters=mine)]
    assert left == [[], [], []]


def test_vagrant_up_makes_every_machine_in_its_place_and_vagrant_destroy_removes_all(engine, by_hand):
    assert engine.networks.get(f"doublehop-{LAB_ID}").attrs["Internal"]
    states = " ".join(by_hand("status").stdout.split())
    for name, spec in topologies.load().machines.items():
        assert f"{name} running (docker)" in states
        container = engine.containers.get(f"doublehop-{LAB_ID}-{name}").attrs
        host, (network,) = container["HostConfig"], container["NetworkSettings"]["Networks"].values()
        assert network["IPAddress"] == str(spec.address).replace("10.93.0.", PLACE)
        assert (host["Privileged"], host["CapDrop"], host["PortBindings"]) == (False, ["ALL"], {})
        assert {each.rpartition(":")[2] for each in host["Binds"] if each.startswith("/")} == {"ro"}
        assert {each.removeprefix("CAP_") for each in host["CapAdd"]} == set(containers.CAPABILITIES)
        assert container["Config"]["Hostname"] == name


@pytest.mark.parametrize("what", ["after up", "after a machine was down"])
def test_a_person_does_the_double_hop(engine, by_hand, what):
    if what != "after up":
        assert by_hand("halt", "web1").returncode == 0
        anew = by_hand("up")
        assert anew.returncode == 0, anew.stderr
    client = engine.containers.get(f"doublehop-{LAB_ID}-client1")
    done = client.exec_run(["sh", "-c", 'cd && curl --silent --negotiate -u : "$(cat page)"'])
    told = json.loads(done.output)
    assert (told["scheme"], told["user"], told["level"]) == ("Kerberos", "lab-alice@DOUBLEHOP.TEST", "Delegate")
    assert told["back_ends"]["sql"]["login"] == "lab-alice"
    without = client.exec_run(["sh", "-c", 'cd && KRB5CCNAME=FILE:/none curl --silent --negotiate -u : "$(cat page)" '
                                           '--write-out "%{http_code}" --output /dev/null'])
    assert without.output == b"401"


def test_a_scenario_that_cannot_stand_says_why(by_hand):
    assert by_hand("halt", "web2").returncode == 0
    done = by_hand("up", DOUBLEHOP_LINUX_SCENARIO="no::such")
    assert done.returncode == 1
    assert "no::such does not stand: doublehop: no::such: " in done.stderr
