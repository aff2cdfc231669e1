"""The files around the code agree with it and each other: requirements, Makefile, container, theme, documentation."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

from cnnapp.charts.colours import lines

ROOT = Path(__file__).resolve().parents[1]
IGNORED = {
    ".git",
    ".venv",
    ".venv-lowest",
    "artifacts",
    "__pycache__",
    ".ruff_cache",
    ".mypy_cache",
    ".pytest_cache",
    ".hypothesis",
}
# what a benchmark compares with where it happens to be installed
OPTIONAL = {"matplotlib"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def requirements(name: str) -> list[Requirement]:
    lines = (line.strip() for line in read(name).splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def project_files() -> list[Path]:
    """The text files of the checkout, tracked or about to be."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in IGNORED]
        found += [Path(folder, name) for name in names]
    return [path for path in found if path.suffix not in {".png", ".jpg", ".gz", ".woff2"}]


# Requirements


@pytest.mark.parametrize("needed", requirements("requirements.txt") + requirements("requirements-dev.txt"), ids=str)
def test_the_installed_version_is_in_the_range(needed):
    try:
        installed = version(needed.name)
    except PackageNotFoundError:
        pytest.skip(f"{needed.name} is not installed here")
    assert needed.specifier.contains(installed, prereleases=True)


@pytest.mark.parametrize("needed", requirements("requirements.txt") + requirements("requirements-dev.txt"), ids=str)
def test_a_requirement_is_a_range_with_both_ends_and_no_address(needed):
    assert sorted(part.operator for part in needed.specifier) == ["<", ">="]
    assert needed.url is None


def imported_libraries(*places: str) -> set[str]:
    paths = [path for place in places for path in (ROOT / place).rglob("*.py")]
    found = set()
    for node in (node for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    own = {path.stem for place in places for path in (ROOT / place).rglob("*.py")} | {
        "cnnapp",
        "pages",
        "tests",
        "benchmarks",
    }
    return found - set(sys.stdlib_module_names) - own


@pytest.mark.parametrize(
    ("places", "files"),
    [
        (("cnnapp", "pages"), ("requirements.txt",)),
        (("tests", "benchmarks"), ("requirements.txt", "requirements-dev.txt")),
    ],
)
def test_every_imported_library_is_required(places, files):
    required = {needed.name.lower() for file in files for needed in requirements(file)}
    required |= (
        {"packaging", "click", "starlette", "uvicorn", "websockets"} if "requirements-dev.txt" in files else set()
    )
    distributions = packages_distributions()
    missing = {
        library
        for library in imported_libraries(*places)
        if not {name.lower() for name in distributions.get(library, [library])} & required
    }
    assert missing - (OPTIONAL if "benchmarks" in places else set()) == set()


# Makefile and container


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))


def dockerfile(instruction: str) -> list[str]:
    joined = re.sub(r"\\\n\s*", " ", read("Dockerfile"))
    return re.findall(rf"^{instruction} +(.*)$", joined, re.MULTILINE)


def test_every_file_that_the_container_copies_exists():
    sources = [source for line in dockerfile("COPY") for source in line.split()[:-1]]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_nothing_that_the_container_copies_is_ignored():
    kept = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    assert {source for line in dockerfile("COPY") for source in line.split()[:-1]} <= kept


def test_the_container_installs_dependencies_before_the_code():
    text = read("Dockerfile")
    assert text.index("COPY requirements.txt") < text.index("RUN pip install") < text.index("COPY cnnapp")


def test_the_container_and_make_start_the_dashboard_by_the_same_command():
    (entry,) = (json.loads(line) for line in dockerfile("ENTRYPOINT"))
    (recipe,) = (line for line in read("Makefile").splitlines() if "serve" in line and line.startswith("\t"))
    recipe = (
        recipe.strip()
        .removeprefix("@")
        .replace("$(BIN)", "python")
        .replace("$(PORT)", default("PORT"))
        .replace("$(OPEN)", "")
    )
    assert entry[: len(shlex.split(recipe))] == shlex.split(recipe)
    options = subprocess.run(
        [sys.executable, "-m", "cnnapp", "serve", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=120
    ).stdout
    assert [word for word in entry if word.startswith("--") and word not in options] == []


def default(name: str) -> str:
    found = re.search(rf"^{name} \?= *(.*)$", read("Makefile"), re.MULTILINE)
    assert found
    return found[1]


def test_the_container_has_no_root_and_checks_its_health_with_python():
    assert dockerfile("USER") == ["cnnapp"]
    (check,) = dockerfile("HEALTHCHECK")
    command = json.loads(check[check.index("CMD") + 3 :])
    assert command[:2] == ["python", "-c"]
    ast.parse(command[2])
    assert f":{default('PORT')}/_stcore/health" in command[2]
    assert "CNNAPP_HOME=/data" in dockerfile("ENV")
    assert dockerfile("VOLUME") == ["/data"]


def test_compose_starts_with_and_without_a_gpu():
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load(read("compose.yaml"))["services"]
    with_gpu, without = services["dashboard-gpu"], services["dashboard"]
    for service in (with_gpu, without):
        assert service["init"] is True
        assert service["volumes"] == ["runs:/data"]
        assert service["ports"] == ["127.0.0.1:8501:8501"]
        assert int(service["stop_grace_period"].removesuffix("s")) >= 30
    (device,) = with_gpu["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert "deploy" not in without
    assert "profiles" not in without
    assert with_gpu["profiles"]  # so that a plain `docker compose up` does not start both


def test_make_without_a_target_lists_every_target():
    if not shutil.which("make"):
        pytest.skip("there is no make here")
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=30).stdout
    assert set(re.findall(r"^make (\w+)", listed, re.MULTILINE)) == make_targets()


@pytest.mark.parametrize("script", [".ci/run", "tools/setup.sh"])
def test_a_script_can_be_read_by_its_shell(script):
    shell = "bash" if "bash" in read(script).splitlines()[0] else "sh"
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} here")
    subprocess.run([shell, "-n", script], cwd=ROOT, check=True, timeout=30)


def test_ci_may_be_executed():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


# Theme and window


def theme() -> dict[str, dict[str, str]]:
    return tomllib.loads(read(".streamlit/config.toml"))["theme"]


def contrast(one: str, other: str) -> float:
    """Contrast ratio as WCAG 2.2 defines it, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_theme_can_be_read(name):
    colours = theme()[name]
    for background in (colours["backgroundColor"], colours["secondaryBackgroundColor"]):
        for text in ("textColor", "linkColor", "grayTextColor"):
            assert contrast(colours[text], background) >= 4.5, f"{text} on {background}"
    assert contrast("#ffffff", colours["primaryColor"]) >= 4.5  # the label of a primary button is white
    assert contrast(colours["primaryColor"], colours["backgroundColor"]) >= 3  # parts of controls


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_theme_has_the_colours_of_the_charts_and_all_are_seen(name):
    assert tuple(theme()[name]["chartCategoricalColors"]) == lines(dark=name == "dark")
    assert all(
        contrast(colour, theme()[name]["backgroundColor"]) >= 3 for colour in theme()[name]["chartCategoricalColors"]
    )


def test_every_option_of_the_configuration_is_one_that_streamlit_knows():
    code = (
        "import json, streamlit.config as c\n"
        "c.get_config_options(force_reparse=True)\n"
        "options = c.get_config_options().items()\n"
        "print(json.dumps({k: o.value for k, o in options if o.where_defined.endswith('config.toml')}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    known = json.loads(done.stdout)
    written = set(flat(tomllib.loads(read(".streamlit/config.toml"))))
    assert written <= set(known), f"{done.stderr}"
    assert "not a valid config option" not in done.stderr
    assert known["runner.postScriptGC"] is False
    assert known["server.address"] == "127.0.0.1"
    assert known["browser.gatherUsageStats"] is False


def flat(table: dict, prefix: str = "") -> list[str]:
    found = []
    for name, value in table.items():
        found += flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]
    return found


def test_the_icon_is_a_small_square_picture():
    icon = ROOT / "pages" / "_icon" / "icon.png"
    with Image.open(icon) as image:
        assert image.format == "PNG"
        assert image.width == image.height >= 64
    assert icon.stat().st_size < 20_000


# Documentation


def test_commands_in_the_documentation_exist():
    texts = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
    named = {
        (path.name, name)
        for path in texts
        for name in re.findall(r"(?:^ {4}|`)make ([a-z]+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert {name for _, name in named} >= {"run", "test"}
    assert [(path, name) for path, name in named if name not in make_targets()] == []


def test_local_links_in_the_documentation_lead_somewhere():
    texts = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
    broken = [
        (path.name, link)
        for path in texts
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
        if not (path.parent / link).exists()
    ]
    assert broken == []


def test_no_file_names_a_registry_or_somebodys_machine():
    hosts = [
        "py" + "pi.org",
        "python" + "hosted",
        "conda" + ".anaconda",
        "registry." + "npmjs",
        "/ho" + "me/",
        "/ro" + "ot/",
        "/Us" + "ers/",
    ]
    found = []
    for path in project_files():
        text = path.read_text("utf-8", errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {host}" for host in hosts if host in text]
    assert found == []
