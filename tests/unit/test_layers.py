"""The rules of the source tree that no linter knows: who imports whom, who sleeps, who starts processes."""

import ast
import itertools
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import doublehop

PACKAGE = Path(doublehop.__file__).parent
ROOT = PACKAGE.parent

LAYERS = {
    "values": ["", "errors", "codes", "frontend", "model", "model.*", "data"],
    "pure": ["topology", "scope", "sanity", "sanity_directory", "sanity_front_end", "catalogue", "directory",
             "kdclog", "verdict", "explain", "report", "render", "sources", "rules", "rules.*",
             "departures", "needs", "aside", "draw", "draw_ways", "generated", "releases",
             "inventory", "inventory_file", "facts", "holding", "front_ends"],
    "effects": ["run", "wait", "cache"],
    "providers": ["providers", "providers.*"],
    "run": ["lab", "probe", "execute", "session", "holder", "handles", "hosts", "doctor",
            "certificates", "explore", "partner", "setup", "compose", "existing", "dotnet"],
    "faces": ["pytest_plugin", "cli", "standing", "__main__"],
}
"""From the bottom up; a module imports from its own layer and those before it. "" is the package itself."""

MACHINE = "machine"
"""What runs inside a machine: it imports values and itself, and nobody imports it."""

SLEEPERS = {"wait", "machine.agent"}
STARTERS = {"run", "providers.image", "providers.vagrant_state", "cli"}

NEED_AN_EXTRA = {
    "providers.vagrant_state", "providers.vagrant_guests", "providers.vagrant_docker", "providers.vagrant_windows",
    "providers.winrm", "providers.windows", "providers.authority", "providers.vagrant_provision",
}
"""What cannot be imported without an extra of pyproject.toml: loaded by name, once it was seen to be installed."""


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if "_data" not in path.parts}
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda name: name or "doublehop")


def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(), str(MODULES[module]))


def _layers_of(module: str) -> list[str]:
    """The layers that a module is listed in."""
    def is_meant(entry: str) -> bool:
        return entry == module or (entry.endswith(".*") and module.startswith(entry[:-1]))

    found = [layer for layer, entries in LAYERS.items() for entry in entries if is_meant(entry)]
    return [*found, MACHINE] if _is_machine(module) else found


def _is_machine(module: str) -> bool:
    return module == MACHINE or module.startswith(f"{MACHINE}.")


def _imported(tree: ast.AST, module: str) -> Iterator[str]:
    """Every module named in an import, wherever it stands; ours without the package's name, under `.`."""
    package = ["doublehop", *module.split(".")] if module else ["doublehop"]
    if MODULES[module].name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*up, *([node.module] if node.module else [])])
            for each in node.names:
                whole = f"{source}.{each.name}".removeprefix("doublehop.")
                yield f"{source}.{each.name}" if whole in MODULES and source.startswith("doublehop") else source


def _own_imports(module: str) -> set[str]:
    """The modules of this package that a module imports."""
    names = {name for name in _imported(_tree(module), module) if name.partition(".")[0] == "doublehop"}
    return {name.partition(".")[2] for name in names}


@each_module
def test_a_module_is_in_exactly_one_layer(module):
    found = _layers_of(module)
    assert len(found) == 1, f"{module} is in {found or 'no layer'}: add it to one entry of LAYERS in {__file__}"


@each_module
def test_a_module_imports_only_from_its_own_layer_and_those_before_it(module):
    layer = _layers_of(module)[0]
    order = list(LAYERS)
    allowed = {"values", MACHINE} if layer == MACHINE else set(order[: order.index(layer) + 1])
    wrong = {name: _layers_of(name) for name in _own_imports(module) if not allowed.issuperset(_layers_of(name))}
    assert not wrong, f"{module} ({layer}) imports {wrong}"


def test_the_test_sees_imports_inside_functions_and_relative_ones():
    text = "def f():\n    from doublehop.lab import up\nfrom . import cache\nfrom doublehop import model, __version__\n"
    assert list(_imported(ast.parse(text), "run")) == [
        "doublehop.cache", "doublehop.model", "doublehop", "doublehop.lab",
    ]


def _at_once(node: ast.AST) -> ast.Module:
    """The imports that are done when the module is: in no function, and not for types only."""
    found: list[ast.stmt] = []
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.Import | ast.ImportFrom):
            found.append(each)
        elif not (isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                  or (isinstance(each, ast.If) and "TYPE_CHECKING" in ast.unparse(each.test))):
            found += _at_once(each).body
    return ast.Module(found, [])


def _reached(module: str) -> set[str]:
    """Every module, ours and others', that is imported with a module."""
    found, ahead = {f"doublehop.{module}"}, [module]
    for each in ahead:
        new = set(_imported(_at_once(_tree(each)), each)) - found
        found |= new
        ahead += sorted(MODULES.keys() & {name.partition(".")[2] for name in new if name.startswith("doublehop")})
    return found


def _need_an_extra(names: set[str]) -> set[str]:
    """Which of these modules come with none of the packages that every installation has."""
    others = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"doublehop"}
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    always = {re.split("[^a-z-]", each)[0] for each in required}
    packages = packages_distributions()
    return {each for each in others if always.isdisjoint(packages.get(each, ()))}


@each_module
def test_only_what_is_loaded_when_it_is_asked_for_needs_an_extra(module):
    needed = set() if _is_machine(module) else _need_an_extra(_reached(module))
    assert bool(needed) == (module in NEED_AN_EXTRA), f"{module} imports {needed}, if only by what it imports"


def test_the_test_sees_what_is_imported_at_once_and_from_which_package_it_is():
    text = ("import docker\nfrom testinfra.host import Host\ntry:\n    import pypsrp.shell\nexcept ImportError: pass\n"
            "if TYPE_CHECKING:\n    import vagrant\ndef f():\n    import ldap3\n")
    names = set(_imported(_at_once(ast.parse(text)), "run"))
    assert names == {"docker", "testinfra.host", "pypsrp.shell"}
    assert _need_an_extra(names) == {"pypsrp"}
    assert "pypsrp.shell" in _reached("providers.vagrant_provision")


@each_module
def test_a_module_opens_with_a_docstring(module):
    assert ast.get_docstring(_tree(module)), f"{MODULES[module]} does not say what it owns"


@each_module
def test_everything_public_has_a_docstring(module):
    bare = [name for name, node in _public(_tree(module), "") if not ast.get_docstring(node)]
    assert not bare, f"{module}: {bare} have no docstring"


def _lost(tree: ast.AST) -> Iterator[int]:
    """The lines of docstrings that stand below nothing that they could be of."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for before, each in itertools.pairwise(body if isinstance(body, list) else ()):
            is_text = (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
                       and isinstance(each.value.value, str))
            if is_text and not isinstance(before, ast.Assign | ast.AnnAssign):
                yield each.lineno


@each_module
def test_every_docstring_is_of_something(module):
    assert not list(_lost(_tree(module))), "its constant has moved or gone"


def test_the_test_sees_a_docstring_that_lost_its_constant():
    text = '"""The module."""\nA = 1\n"""Of A."""\n"""Of B."""\ndef f():\n    """Of f."""\n    b = 1\n    """Of b."""\n'
    assert list(_lost(ast.parse(text))) == [4]


Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _public(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, Documented]]:
    for each in node.body:
        if isinstance(each, Documented) and not each.name.startswith("_"):
            yield f"{prefix}{each.name}", each
            if isinstance(each, ast.ClassDef):
                yield from _public(each, f"{prefix}{each.name}.")


def _sleeps(tree: ast.AST) -> bool:
    def is_sleep(node: ast.AST) -> bool:
        attribute = isinstance(node, ast.Attribute) and node.attr == "sleep" and ast.unparse(node.value) == "time"
        imported = isinstance(node, ast.ImportFrom) and node.module == "time" and "sleep" in {
            each.name for each in node.names}
        return attribute or imported

    return any(map(is_sleep, ast.walk(tree)))


@each_module
def test_only_the_waiting_modules_sleep(module):
    assert module in SLEEPERS or not _sleeps(_tree(module))


@pytest.mark.parametrize("text", ["import time\ntime.sleep(1)", "from time import sleep"])
def test_the_test_sees_a_sleep(text):
    assert _sleeps(ast.parse(text))


@each_module
def test_only_a_few_modules_start_processes(module):
    assert module in STARTERS or _is_machine(module) or "subprocess" not in set(_imported(_tree(module), module))


@pytest.mark.parametrize("folder", ["lab", "fixtures"])
def test_data_folders_hold_no_package(folder):
    """Both names belong to others on PyPI, and pytest silently ignores a plugin module called `fixtures`."""
    assert (ROOT / folder).is_dir()
    assert not list(itertools.islice((ROOT / folder).rglob("__init__.py"), 1))
