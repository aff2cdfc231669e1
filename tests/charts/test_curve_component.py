"""The live chart's Python side: what crosses to the browser, without a browser."""

import json
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from pages._curve import joined

APP = Path(__file__).resolve().parents[1] / "e2e" / "apps" / "curve_app.py"


def messages(test: AppTest) -> tuple[list[Any], list[Any]]:
    protos = [element.proto for element in test.get("bidi_component")]
    return [p for p in protos if p.html_content], [p for p in protos if not p.html_content]


def test_new_data_leaves_the_charts_own_message_as_it_was() -> None:
    test = AppTest.from_file(str(APP), default_timeout=60).run()
    assert not test.exception
    charts, feeds = messages(test)
    assert len(charts) == len(feeds) == 2
    test.run()
    charts_after, feeds_after = messages(test)
    assert [c.SerializeToString() for c in charts] == [c.SerializeToString() for c in charts_after]
    for before, after in zip(feeds, feeds_after, strict=True):
        assert before.bytes != after.bytes
        assert len(before.js_content) < 2000, "what is sent at every update is small"
        name, numbers = after.bytes.decode().split("\n")
        assert json.loads(name) in ("loss-chart", "accuracy-chart")
        assert json.loads(numbers)["series"][1]["name"] == "Validation <b>x</b>"


def test_the_joined_script_has_one_export_and_no_imports() -> None:
    script = joined()
    lines = script.splitlines()
    assert [line for line in lines if line.startswith("export ")] == [
        "export default function mount({ data, parentElement }) {"
    ]
    assert not any(line.startswith("import ") for line in lines)
    assert "innerHTML" not in script
    assert "http" not in script.replace("http://www.w3.org/2000/svg", ""), "nothing is fetched from anywhere"
