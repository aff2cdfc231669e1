"""What surrounds every page: window settings, navigation, and what the dashboard's process starts once."""

import contextvars
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import streamlit as st

from cnnapp import compute
from cnnapp.errors import CnnAppError
from cnnapp.launching.local import ensure_scheduler
from cnnapp.settings import read_settings
from cnnapp.store import open_store

ICON = str(Path(__file__).with_name("_icon") / "icon.png")  # a local one: the default is fetched from a foreign host
KEEP_SECONDS = 2.0
_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("inside_frame", default=False)


def navigation() -> st.Page:
    return st.navigation(
        [
            st.Page("pages/home.py", title="Home", icon=":material/home:", default=True),
            st.Page("pages/train.py", title="Train", icon=":material/model_training:", url_path="train"),
            st.Page("pages/mistakes.py", title="Mistakes", icon=":material/grid_on:", url_path="mistakes"),
            st.Page(
                "pages/look_inside.py", title="Look inside", icon=":material/frame_inspect:", url_path="look_inside"
            ),
            st.Page("pages/runs.py", title="Runs", icon=":material/stacked_line_chart:", url_path="runs"),
        ]
    )


def run_app() -> None:
    """Everything of app.py: an error that is meant for the user is a sentence on whichever page it comes up."""
    st.set_page_config(page_title="CNN Lab", page_icon=ICON, layout="wide")
    page = navigation()
    token = _inside.set(True)
    try:
        with in_words():
            boot()
            page.run()
    finally:
        _inside.reset(token)


@contextmanager
def in_words() -> Iterator[None]:
    """An error that is meant for the user is shown as its sentence. Fragments need this, too: none gets out of them."""
    try:
        yield
    except CnnAppError as error:
        st.error(plain(str(error)), icon=":material/error:")


def ensure_frame() -> None:
    """First line of every page.

    A server that has not run app.py yet treats ``pages/`` as separate scripts, so that a deep link would show the page
    alone. Calling st.navigation ends that; the rerun comes back through app.py, to the same page and query.
    """
    if not _inside.get():
        st.set_page_config(page_title="CNN Lab", page_icon=ICON, layout="wide")
        navigation()
        st.rerun()


def plain(text: str) -> str:
    """``text`` so that Markdown shows it as it is: names of runs, files and classes are text."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()<>#+-.!|~$:&^=" else c for c in " ".join(text.split()))


@st.cache_resource(show_spinner=False)
def boot() -> None:
    """Once per server process: the pool is warmed up, and from now on queued runs have a scheduler."""
    home = read_settings().home
    open_store(home)  # a home that cannot be used is said on the page, before anything is started in it
    compute.warm_up()
    threading.Thread(target=keep_scheduler, args=(home,), name="keep-scheduler", daemon=True).start()


def keep_scheduler(home: Path) -> None:
    """A killed scheduler is replaced while a dashboard is open."""
    while True:
        with suppress(OSError):  # a full disk, or a home that has just been removed
            ensure_scheduler(home)
        time.sleep(KEEP_SECONDS)
