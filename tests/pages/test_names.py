"""Names that users give are text: neither HTML nor Markdown nor a formula nor an icon, on any page."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnapp.config import DATASETS
from cnnapp.data.dataset import Dataset
from cnnapp.store import Run, Store
from pages._frame import plain
from tests.pages.conftest import ROOT, Open, text_of

Make = Callable[..., Run]

EVIL = (
    "**b** <script>alert(1)</script> [x](javascript:1) $x^2$ :smile: # h `c` :red[r] ![i](http://a.example/i.png) ~~s~~"
)
PAGES = ("home", "train", "mistakes", "look_inside", "runs")
MARKDOWN = r"\`*_{}[]()<>#+-.!|~$:&^="


def in_markdown(app: AppTest) -> list[str]:
    kinds = (
        app.title,
        app.header,
        app.subheader,
        app.markdown,
        app.caption,
        app.success,
        app.info,
        app.warning,
        app.error,
    )
    return [element.value for kind in kinds for element in kind] + [e.proto.text for e in app.get("progress")]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("end", ["", "finished"])
@pytest.mark.parametrize("page", PAGES)
def test_a_runs_name_is_text_on_every_page(open_page: Open, make_run: Make, page: str, end: str) -> None:
    run = make_run(EVIL, epochs_done=2, end=end)
    assert run.name == EVIL[:120].rstrip()
    query = {"runs": run.id} if page == "runs" else {"run": run.id}
    for app in (open_page(page, **query), open_page(page)):
        for text in in_markdown(app):
            assert "<script>" not in text
            assert "alert(1)" not in text  # as plain() writes it there is a backslash before each bracket
            assert "[x](" not in text
            assert "$x^2$" not in text
    if page in ("home", "train"):
        assert run.name in text_of(open_page(page, **query))


@pytest.mark.usefixtures("here")
def test_a_runs_name_is_text_where_it_is_a_starting_point(open_page: Open, make_run: Make) -> None:
    app = open_page("train", **{"from": make_run(EVIL).id})
    assert any(plain(EVIL[:120]) in text for text in in_markdown(app))


@pytest.mark.usefixtures("here")
def test_class_names_and_descriptions_are_text(
    open_page: Open, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = DATASETS["digits"]
    values = {name: getattr(digits, name) for name in Dataset.__dataclass_fields__}
    classes = tuple(f"{EVIL} {number}" for number in range(10))
    monkeypatch.setitem(
        DATASETS._entries, "digits", Dataset(**{**values, "classes": classes, "description": EVIL, "title": EVIL})
    )
    run = make_run("named", epochs_done=2)
    for page in PAGES:
        for text in in_markdown(open_page(page, run=run.id)):
            assert "<script>" not in text
            assert "[x](" not in text


def test_plain_leaves_no_mark_of_markdown_unescaped() -> None:
    for text in (EVIL, MARKDOWN, "a\nb\n\n# c", "1. one", "- two", "\\*", "a\\"):
        escaped = plain(text)
        assert "\n" not in escaped
        assert not re.search(r"(?<!\\)(?:\\\\)*[`*_{}\[\]()<>#+\-.!|~$:&^=]", escaped)
        assert re.sub(r"\\(.)", r"\1", escaped) == " ".join(text.split())


def test_no_page_lets_html_through() -> None:
    for path in [*(ROOT / "pages").rglob("*.py"), ROOT / "app.py"]:
        text = path.read_text()
        assert "unsafe_allow_html" not in text, path
        assert "unsafe_allow_javascript" not in text, path
        for argument in re.findall(r"st\.html\(([^)]*)\)", text):
            assert argument.isupper(), f"{path.name}: st.html({argument}) is not a constant"


def test_no_script_of_the_curve_builds_html_from_text() -> None:
    for path in (ROOT / "pages").rglob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", path.read_text()), path


def test_a_name_never_becomes_a_path(store: Store, make_run: Make) -> None:
    run = make_run("../../../evil")
    folders = {path.relative_to(store.home) for path in store.home.rglob("*")}
    assert Path("runs") / run.id in folders
    assert not any("evil" in str(path) for path in folders)
    assert not (store.home.parent / "evil").exists()
