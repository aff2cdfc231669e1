"""Who may import what: the layers of docs/architecture.md, read from the source.

A place is a module or a package of the table below; the longest name that fits a module is its place. Imports count
wherever they stand, at the top of a file or inside a function, but for three exceptions: libraries listed as ``later``
may be imported inside functions only; a block under TYPE_CHECKING counts as nothing; everything imports ``cnnapp``
itself, which therefore may do so with little.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A name stands for the library and everything below it.
LIBRARIES = {
    "torch": "torch torchvision captum",
    "sklearn": "sklearn scipy",
    "plotly": "plotly matplotlib",
    "streamlit": "streamlit",
    "sqlite": "sqlite3",
    "processes": "subprocess multiprocessing concurrent.futures loky",
    "commands": "typer rich",
}


@dataclass(frozen=True)
class Place:
    inside: str = ""  # what it may import of this project, besides itself
    libraries: str = ""  # which of LIBRARIES it may import
    later: str = ""  # which of them inside functions only


BASE = "config errors events registry settings"
TABLE = {
    "app": Place("pages"),
    "pages": Place(f"cnnapp {BASE} answers charts compute data launching machine networks presets store", "streamlit"),
    # the public API: whatever is heavy comes when it is called
    "cnnapp": Place("compute config errors events launching store tasks training", later="torch"),
    "cnnapp.__main__": Place("cli"),
    "cnnapp.cli": Place("commands launching settings", "commands"),
    "cnnapp.commands": Place(f"cnnapp {BASE} answers charts compute insight launching machine store", "commands"),
    "cnnapp.config": Place("errors registry"),
    "cnnapp.errors": Place(),
    "cnnapp.events": Place("errors"),
    "cnnapp.registry": Place("errors"),
    "cnnapp.settings": Place("errors"),
    "cnnapp.answers": Place("config errors"),
    "cnnapp.machine": Place("settings"),
    "cnnapp.data": Place("config errors registry settings"),
    "cnnapp.data.sets": Place("config data errors registry settings", later="torch sklearn"),
    "cnnapp.data.published": Place("config data errors registry settings", later="torch"),
    "cnnapp.data.batches": Place("config data errors registry settings", "torch"),
    "cnnapp.networks": Place("config errors registry"),
    "cnnapp.networks.build": Place("config errors networks registry", "torch"),
    "cnnapp.networks.shapes": Place("answers config errors networks registry", "torch"),
    "cnnapp.presets": Place("config"),
    "cnnapp.training": Place("config data errors events networks", "torch"),
    "cnnapp.store": Place("config errors events settings"),
    "cnnapp.store.database": Place("config errors events settings store", "sqlite"),
    "cnnapp.insight": Place("data errors networks", "torch"),
    "cnnapp.charts": Place("events", "plotly"),
    "cnnapp.tasks": Place("answers config data errors insight networks settings store", "torch"),
    "cnnapp.worker": Place(f"{BASE} data networks store training", "torch"),
    "cnnapp.launching": Place(f"cnnapp {BASE} machine store worker", "processes"),
    # it preloads torch for its children
    "cnnapp.launching.forkserver": Place(f"cnnapp {BASE} launching", "processes", later="torch"),
    "cnnapp.compute": Place(f"{BASE} answers launching", "processes"),
}

# What the dashboard's process and the light commands load, and what must then not be loaded.
LIGHT = ["app", "pages", "cnnapp.cli", "cnnapp.charts", "cnnapp.store", "cnnapp.launching", "cnnapp.compute"]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for path in sorted([ROOT / "app.py", *(ROOT / "pages").rglob("*.py"), *(ROOT / "cnnapp").rglob("*.py")])
    if path.is_file()
}


@dataclass(frozen=True)
class Import:
    name: str
    line: int
    at_top: bool


def imports(source: str) -> list[Import]:
    """Every name that ``source`` imports; of ``from a import b`` it is ``a.b``, which may be a module or not."""
    return list(_walk(ast.parse(source), at_top=True))


def _walk(node: ast.AST, at_top: bool) -> Iterator[Import]:
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.orelse:
            yield from _walk(child, at_top)
        return
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, node.lineno, at_top) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: imports name their module in full"
        yield from (Import(f"{node.module}.{alias.name}", node.lineno, at_top) for alias in node.names)
    inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, at_top and not inside)


IMPORTS = {name: imports(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def is_below(name: str, parents: str) -> bool:
    return any(f"{name}.".startswith(f"{parent}.") for parent in parents.split())


def place_of(module: str) -> str:
    """The longest name of the table that ``module`` is, or is below; the row of ``cnnapp`` is for itself only."""
    fitting = [name for name in TABLE if is_below(module, name) and (name != "cnnapp" or module == "cnnapp")]
    return max(fitting, key=len, default="")


def project_module(name: str) -> str:
    """The module of this project that importing ``name`` loads, or "" for a foreign one."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def full(inside: str) -> str:
    """Names of a row's ``inside`` with their package: "store" is cnnapp.store; "cnnapp" and "pages" are meant so."""
    return " ".join(name if name in ("cnnapp", "pages") else f"cnnapp.{name}" for name in inside.split())


def offence(module: str, found: Import) -> str:
    """What is wrong with an import that stands in ``module``, or ""."""
    place = TABLE[place_of(module)]
    if target := project_module(found.name):
        own = module if module == "cnnapp" else place_of(module)
        allowed = full(place.inside)
        if target == "cnnapp":
            return "" if "cnnapp" in (*allowed.split(), own) else "imports cnnapp, the public API"
        allowed = " ".join(name for name in [*allowed.split(), own] if name != "cnnapp")
        return "" if is_below(target, allowed) else f"imports {target}"
    for library, names in LIBRARIES.items():
        if is_below(found.name, names):
            if library in place.libraries.split() or (library in place.later.split() and not found.at_top):
                return ""
            return f"imports {found.name}" + (" at the top" if library in place.later.split() else "")
    return ""


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_place_may(module):
    assert place_of(module), f"{module} has no place in the table of {Path(__file__).name}: say what it may import"
    offences = [f"line {found.line} {what}" for found in IMPORTS[module] if (what := offence(module, found))]
    assert offences == [], f"{module} is in the place {place_of(module)!r}"


def test_every_place_of_the_table_exists():
    assert [name for name in TABLE if name not in MODULES and not (ROOT / name.replace(".", "/")).is_dir()] == []


def edges(module: str, only_top: bool = False) -> set[str]:
    """Modules of this project that ``module`` imports, apart from the public API that all are below."""
    found = (project_module(i.name) for i in IMPORTS[module] if i.at_top or not only_top)
    return {target for target in found if target and target not in (module, "cnnapp")}


def test_the_import_graph_has_no_cycle_even_counting_imports_inside_functions():
    # below itself a package may hand out names of its modules, which may then not import the package
    try:
        TopologicalSorter({module: edges(module) for module in MODULES if module != "cnnapp"}).prepare()
    except CycleError as error:
        pytest.fail(f"a cycle: {' imports '.join(reversed(error.args[1]))}")


def loaded_by(module: str) -> dict[str, str]:
    """All modules that importing ``module`` loads, each with the one that imports it."""
    found = {module: ""}
    queue = [module]
    while queue:
        here = queue.pop()
        parents = [".".join(here.split(".")[:n]) for n in range(1, here.count(".") + 1)]
        for target in [*edges(here, only_top=True), *(p for p in parents if p in MODULES)]:
            if target not in found:
                found[target] = here
                queue.append(target)
    return found


@pytest.mark.parametrize("module", [m for m in MODULES if is_below(m, " ".join(LIGHT))])
def test_what_the_dashboard_loads_never_leads_to_torch(module):
    heavy = " ".join((LIBRARIES["torch"], LIBRARIES["sklearn"]))
    ways = [
        f"{here} (imported by {importer or 'itself'}) imports {found.name}"
        for here, importer in loaded_by(module).items()
        for found in IMPORTS[here]
        if found.at_top and is_below(found.name, heavy)
    ]
    assert ways == []


def test_a_page_imports_nothing_heavy_inside_a_function_either():
    heavy = {m for m in MODULES if any(i.at_top and is_below(i.name, LIBRARIES["torch"]) for i in IMPORTS[m])}
    ways = [
        f"{module} imports {target}, which leads to {', '.join(sorted(reached))}"
        for module in MODULES
        if is_below(module, "app pages")
        for target in edges(module)
        if (reached := heavy & loaded_by(target).keys())
    ]
    assert ways == []


@pytest.mark.parametrize(
    "statements",
    [
        "import cnnapp",
        "import cnnapp.config, cnnapp.store, cnnapp.charts.tiles, cnnapp.machine",
        "import cnnapp.compute, cnnapp.launching.local",
        "from cnnapp.config import *; list(DATASETS), list(NETWORKS), list(PRESETS)",
    ],
)
def test_a_fresh_interpreter_loads_nothing_heavy_with(statements):
    heavy = ["torch", "torchvision", "sklearn", "scipy", "plotly", "streamlit", "matplotlib", "pandas"]
    code = f"{statements}\nimport sys\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


# The checker itself.


def test_imports_are_found_with_where_they_stand():
    source = """
import a.b
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import only_for_types
else:
    import c
try:
    from d import e
except ImportError:
    import f
class Inside:
    import g
    def method(self):
        from h.i import j, k
"""
    found = [(i.name, i.at_top) for i in imports(source) if i.name != "typing.TYPE_CHECKING"]
    at_top = [("a.b", True), ("c", True), ("d.e", True), ("f", True), ("g", True)]
    assert found == [*at_top, ("h.i.j", False), ("h.i.k", False)]


@pytest.mark.parametrize(
    ("module", "name", "at_top", "expected"),
    [
        ("pages.home", "torch.nn", False, "imports torch.nn"),
        ("pages.home", "cnnapp.worker.main", True, "imports cnnapp.worker"),
        ("pages.home", "cnnapp.training.train", False, "imports cnnapp.training"),
        ("cnnapp.training.loop", "cnnapp.store.Store", True, "imports cnnapp.store"),
        ("cnnapp.training.loop", "streamlit", True, "imports streamlit"),
        ("cnnapp.training.loop", "cnnapp", True, "imports cnnapp, the public API"),
        ("cnnapp.training.loop", "cnnapp.data.batches.epoch_order", True, ""),
        ("cnnapp.training.loop", "torchvision.ops", True, ""),
        (
            "cnnapp.data.sets.digits",
            "sklearn.datasets.load_digits",
            True,
            "imports sklearn.datasets.load_digits at the top",
        ),
        ("cnnapp.data.sets.digits", "sklearn.datasets.load_digits", False, ""),
        ("cnnapp.store.runs", "sqlite3", True, "imports sqlite3"),
        ("cnnapp.charts.tiles", "cnnapp.store", True, "imports cnnapp.store"),
        ("cnnapp.insight.filters", "cnnapp.store", True, "imports cnnapp.store"),
        ("cnnapp.launching.client", "cnnapp", True, ""),
        ("cnnapp.launching.client", "subprocess", True, ""),
        ("cnnapp.config", "cnnapp.data.dataset", True, "imports cnnapp.data.dataset"),
        ("cnnapp.config", "concurrent.futures", True, "imports concurrent.futures"),
    ],
)
def test_the_table_refuses(module, name, at_top, expected):
    assert offence(module, Import(name, 1, at_top)) == expected
