"""applicationHost.config and web.config, as the IIS configuration reference documents them, to and from our records.

Both ways, and nothing else: what a file leaves out has the reference's default, what a place leaves out it inherits,
and a list is what its places add, remove and clear, in order. The lab's default of `authPersistNonNTLM` differs from
the reference's (row B-23), so it is always written.
"""

import base64
import dataclasses
import json
from typing import Any
from xml.etree import ElementTree as ET

from pydantic import TypeAdapter

from doublehop.frontend import Application, FrontEnd, Pool, Site

SECURITY = "system.webServer/security/authentication"
SECTIONS = ("windowsAuthentication", "anonymousAuthentication", "basicAuthentication")
DEFAULTS: dict[str, dict[str, Any]] = {
    "windowsAuthentication": {"enabled": False, "useKernelMode": True, "useAppPoolCredentials": False,
                              "authPersistNonNTLM": False, "authPersistSingleRequest": False},
    "anonymousAuthentication": {"enabled": True},
    "basicAuthentication": {"enabled": False, "logonMethod": "ClearText"},
}
READ = TypeAdapter(FrontEnd)
LIMITS = r"HKLM:\SYSTEM\CurrentControlSet\Services\HTTP\Parameters"


def _found(element: ET.Element, path: str) -> ET.Element:
    found = element.find(path)
    assert found is not None, f"{element.tag} has no {path}"
    return found


def _words(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


def _section(name: str, record: Any) -> ET.Element:
    element = ET.Element(name)
    for each in dataclasses.fields(record):
        value = getattr(record, each.name)
        if each.name == "providers":
            providers = ET.SubElement(element, "providers")
            ET.SubElement(providers, "clear")
            for one in value:
                ET.SubElement(providers, "add", value=str(one))
        elif each.name == "extendedProtection":
            ET.SubElement(element, "extendedProtection", tokenChecking=str(value.tokenChecking))
        else:
            element.set(each.name, _words(value))
    return element


def _location(root: ET.Element, path: str, sections: dict[str, Any]) -> None:
    place: ET.Element | None = None
    for name, record in sections.items():
        if record is None:
            continue
        if place is None:
            place = ET.SubElement(root, "location", path=path)
            for each in SECURITY.split("/"):
                place = ET.SubElement(place, each)
        place.append(_section(name, record))


def write(front_end: FrontEnd) -> str:
    """The applicationHost.config of a configuration; identities of threads and limits are no part of that file."""
    root = ET.Element("configuration")
    host = ET.SubElement(root, "system.applicationHost")
    pools = ET.SubElement(host, "applicationPools")
    for name, pool in front_end.applicationPools.items():
        model = ET.SubElement(ET.SubElement(pools, "add", name=name), "processModel")
        model.set("identityType", str(pool.identityType))
        if pool.userName:
            model.set("userName", pool.userName)
    sites = ET.SubElement(host, "sites")
    for number, (name, site) in enumerate(front_end.sites.items(), 1):
        element = ET.SubElement(sites, "site", name=name, id=str(number))
        for path, application in site.applications.items():
            ET.SubElement(element, "application", path=path, applicationPool=application.applicationPool)
        bindings = ET.SubElement(element, "bindings")
        for each in site.bindings:
            protocol, _, rest = each.rpartition("/")
            ET.SubElement(bindings, "binding", protocol=protocol or "http", bindingInformation=rest)
        own = site.applications.get("/", Application())
        _location(root, name, {each: getattr(own, each) or getattr(site, each) for each in SECTIONS})
        for path, application in site.applications.items():
            if path != "/":
                _location(root, name + path, {each: getattr(application, each) for each in SECTIONS})
    return ET.tostring(root, encoding="unicode")


def _places(root: ET.Element, path: str, section: str) -> list[ET.Element]:
    """A section as the server has it, and as each place on the way to a path has it."""
    parts = path.split("/")
    names = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    levels = [root, *(each for name in names for each in root.findall("location") if each.get("path") == name)]
    return [found for each in levels if (found := each.find(f"{SECURITY}/{section}")) is not None]


def _read_section(root: ET.Element, path: str, section: str) -> dict[str, Any]:
    values: dict[str, Any] = dict(DEFAULTS[section])
    providers: list[str] = []
    checking = "None"
    for place in _places(root, path, section):
        values |= {key: _value(text) for key, text in place.attrib.items() if key in values}
        for each in place.findall("providers/*"):
            if each.tag == "clear":
                providers.clear()
            elif each.tag == "remove":
                providers.remove(each.attrib["value"])
            else:
                providers.append(each.attrib["value"])
        protection = place.find("extendedProtection")
        if protection is not None:
            checking = protection.get("tokenChecking", checking)
    if section == "windowsAuthentication":
        values |= {"providers": providers, "extendedProtection": {"tokenChecking": checking}}
    return values


def _says(root: ET.Element, path: str, section: str) -> bool:
    return any(each.get("path") == path and each.find(f"{SECURITY}/{section}") is not None
               for each in root.findall("location"))


def read(text: str, identities: dict[str, Any] | None = None, limits: dict[str, int] | None = None) -> FrontEnd:
    """The configuration that files come to; `identities` are those of threads by site and path."""
    root = ET.fromstring(text)
    pools = {}
    for each in root.findall("system.applicationHost/applicationPools/add"):
        model = each.find("processModel")
        given = model.attrib if model is not None else {}
        kind = given.get("identityType", "ApplicationPoolIdentity")
        pools[each.attrib["name"]] = {"identityType": kind,
                                      "userName": given.get("userName", "") if kind == "SpecificUser" else ""}
    sites = {}
    for each in root.findall("system.applicationHost/sites/site"):
        name = each.attrib["name"]
        applications = {}
        for one in each.findall("application"):
            path = one.attrib["path"]
            own = {section: _read_section(root, name + path, section) for section in SECTIONS
                   if path != "/" and _says(root, name + path, section)}
            applications[path] = {"applicationPool": one.get("applicationPool", "DefaultAppPool"),
                                  "impersonate": (identities or {}).get(f"{name}{path}", False), **own}
        sites[name] = {
            "bindings": [f"{b.attrib['protocol']}/{b.attrib['bindingInformation']}".removeprefix("http/")
                         for b in each.findall("bindings/binding")],
            "applications": applications,
            **{section: _read_section(root, name, section) for section in SECTIONS},
        }
    return READ.validate_python({"applicationPools": pools, "sites": sites, "httpSys": limits or {}})


def plain(front_end: FrontEnd) -> FrontEnd:
    """A configuration in its one plain form: no `http/` before a binding, nothing that a section would inherit anyway,
    and what a site's first application says for itself said for the site."""
    def site(each: Site) -> Site:
        own = each.applications.get("/")
        said = {name: getattr(own, name) for name in SECTIONS if own is not None and getattr(own, name) is not None}
        applications = {path: Application(applicationPool=one.applicationPool, impersonate=one.impersonate)
                        if path == "/" else one for path, one in each.applications.items()}
        return dataclasses.replace(each, bindings=tuple(b.removeprefix("http/") for b in each.bindings),
                                   applications=applications, **said)

    def pool(each: Pool) -> Pool:
        return each if each.identityType == "SpecificUser" else dataclasses.replace(each, userName="")

    return dataclasses.replace(front_end, sites={name: site(each) for name, each in front_end.sites.items()},
                               applicationPools={name: pool(each) for name, each in front_end.applicationPools.items()})


def of_machine(state: dict[str, Any], accounts: dict[str, str]) -> FrontEnd:
    """What a model machine is configured with, out of its files and its registry; `accounts` are labels by account."""
    files = state["files"]
    text = files[r"C:\Windows\System32\inetsrv\config\applicationHost.config"]
    root = ET.fromstring(text)
    identities: dict[str, Any] = {}
    for site in root.findall("system.applicationHost/sites/site"):
        for each in site.findall("application"):
            folder = _found(each, "virtualDirectory").attrib["physicalPath"]
            if each.attrib["path"] == "/" and rf"{folder}\web.config" not in files:
                site.remove(each)  # IIS wants a first application; nothing of ours is in it
                continue
            file = ET.fromstring(files[rf"{folder}\web.config"])
            told = told_core(file)
            if told:
                identities[site.attrib["name"] + each.attrib["path"]] = told["impersonate"]
                continue
            identity = _found(file, "system.web/identity")
            name = identity.get("userName")
            identities[site.attrib["name"] + each.attrib["path"]] = (
                {"userName": accounts[name]} if name else _value(identity.get("impersonate", "false")))
    limits = {name: each["value"] for name, each in state["registry"].get(LIMITS, {}).items()
              if name in {"MaxFieldLength", "MaxRequestBytes"}}
    read_back = read(ET.tostring(root, encoding="unicode"), identities, limits)
    named = {name: dataclasses.replace(each, userName=accounts.get(each.userName, each.userName))
             for name, each in read_back.applicationPools.items()}
    return dataclasses.replace(read_back, applicationPools=named)


def ports_of_tls(state: dict[str, Any]) -> set[str]:
    """The ports at which a site of the machine's speaks TLS."""
    root = ET.fromstring(state["files"][r"C:\Windows\System32\inetsrv\config\applicationHost.config"])
    return {each.attrib["bindingInformation"].split(":")[1]
            for each in root.findall("system.applicationHost/sites/site/bindings/binding[@protocol='https']")}


def pools_of(state: dict[str, Any]) -> set[tuple[str | None, str | None]]:
    """Which runtime each pool loads, and whether it loads its account's profile: what no configuration of ours says."""
    root = ET.fromstring(state["files"][r"C:\Windows\System32\inetsrv\config\applicationHost.config"])
    return {(each.get("managedRuntimeVersion"), _found(each, "processModel").get("loadUserProfile"))
            for each in root.findall("system.applicationHost/applicationPools/add")}


def password_of(state: dict[str, Any], pool: str) -> str:
    """A pool's password, which applicationHost.config keeps unreadable; the model's is only wrapped."""
    root = ET.fromstring(state["files"][r"C:\Windows\System32\inetsrv\config\applicationHost.config"])
    model = next(_found(each, "processModel") for each in root.findall("system.applicationHost/applicationPools/add")
                 if each.get("name") == pool)
    text = model.get("password", "")
    return base64.b64decode(text.removeprefix("[enc:").removesuffix(":enc]")).decode() if text else ""


def told_core(file: ET.Element) -> dict[str, Any]:
    """What a page of ASP.NET Core is told in its environment, as `lab/aspnet/core` reads it; nothing for others."""
    told = file.find("location/system.webServer/aspNetCore/environmentVariables/environmentVariable[@name='WHOAMI']")
    found: dict[str, Any] = json.loads(told.attrib["value"]) if told is not None else {}
    return found


def told_back_ends(web_config: str) -> dict[str, str]:
    """What a page is told of its back ends: a kind and where it is, as `lab/aspnet/framework` reads it."""
    settings = ET.fromstring(web_config).findall("appSettings/add")
    return {each.attrib["key"].removeprefix("back-end:"): each.attrib["value"] for each in settings
            if each.attrib["key"].startswith("back-end:")}
