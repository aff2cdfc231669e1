"""The live chart: it keeps what its reader chose (zoom, hidden series, smoothing, axes) while data comes in.

It is two components of Streamlit's second kind in one place. Streamlit sends a component's code together with its data
at every update, so the chart itself has data that never changes (its message is cached in the browser after the first
time), and a second component without any looks hands it the new numbers.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).resolve().parent
# in this order: what is used comes before its user
_MODULES = ("numbers.js", "paint.js", "table.js", "controls.js", "chart.js", "mount.js")


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def joined(names: tuple[str, ...] = _MODULES) -> str:
    """The modules as one script: Streamlit takes a component's code as one text, which cannot import its neighbours."""
    script = "\n".join(_read(name) for name in names)
    script = re.sub(r"^import .*$\n", "", script, flags=re.MULTILINE)
    return re.sub(r"^export (?!default )", "", script, flags=re.MULTILINE)


_chart = st.components.v2.component("cnnapp_curve", html=_read("curve.html"), css=_read("curve.css"), js=joined())
_feed = st.components.v2.component("cnnapp_curve_feed", js=_read("feed.js"))


def curve(data: Mapping[str, Any], *, key: str, height: int = 300, label: str = "") -> None:
    """Show a live chart, or give the one of this key new data.

    Args:
        data: What ``cnnapp.charts.live.series_for_live`` returns. Names and labels in it are shown as text.
        key: Names the chart: one per chart and run. What its reader chose belongs to this name.
        height: Of the drawing, in pixels.
        label: What the chart shows, for those who do not see it; unset: its title.
    """
    described = label or f"{data['title']}: line chart"
    numbers = json.dumps(data, separators=(",", ":"), allow_nan=False)
    with st.container(gap=None):
        _chart(data={"name": key, "height": height, "label": described}, key=key)
        _feed(data=f"{json.dumps(key)}\n{numbers}".encode(), key=f"{key}-data")
