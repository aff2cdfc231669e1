"""What several pages use: the store, the choice of a run, one widget per setting, words for numbers."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cnnapp.errors import RunNotFound
from cnnapp.settings import read_settings
from cnnapp.store import Run, Store, open_store
from pages._frame import ensure_frame, in_words, plain

__all__ = ["badge", "choose_run", "duration", "ensure_frame", "in_words", "percent", "plain", "setting", "store"]

RUN_CHOICE, RUN_SEEN = "choose-run", "run-seen"
COLOURS: dict[str, Literal["blue", "green", "orange", "red", "gray", "violet"]] = {
    "queued": "gray",
    "running": "blue",
    "paused": "orange",
    "finished": "green",
    "stopped": "gray",
    "diverged": "red",
    "failed": "red",
}
ICONS = {
    "queued": ":material/schedule:",
    "running": ":material/play_arrow:",
    "paused": ":material/pause:",
    "finished": ":material/check:",
    "stopped": ":material/stop:",
    "diverged": ":material/trending_up:",
    "failed": ":material/error:",
}


_stores: dict[Path, Store] = {}


def store() -> Store:
    """The home's, opened once for all viewers: opening costs more than what a live page reads."""
    home = read_settings().home
    kept = _stores.get(home)
    if kept is None or not kept.is_in_place():
        kept = _stores[home] = open_store(home)
    return kept


def badge(run: Run) -> None:
    st.badge(run.state, color=COLOURS[run.state], icon=ICONS[run.state])


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None or share != share else f"{100 * share:.{digits}f} %"


def duration(seconds: float | None) -> str:
    """Seconds in words: "45 s", "3 min 20 s", "2 h 05 min"."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def ago(moment: float) -> str:
    """In the largest unit: "3 min ago", "2 days ago"."""
    seconds = max(0.0, time.time() - moment)
    for size, unit in ((86400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''} ago"
    return "just now"


def choose_run(label: str = "Run", accept: Callable[[Run], bool] = lambda run: True, empty: str = "") -> Run | None:
    """A run from the address (``?run=…``), the one looked at before, or the newest of those that ``accept``.

    Without any run there is a sentence in the choice's place, and the answer is None.
    """
    runs = {run.id: run for run in store().runs(limit=500) if accept(run)}
    asked = _asked_run()
    if asked is not None:
        runs.setdefault(asked.id, asked)
    if not runs:
        st.info(empty or "There are no runs yet. Start one on Home or on Train.", icon=":material/info:")
        return None
    before = st.session_state.get(RUN_CHOICE, st.session_state.get(RUN_SEEN))
    wanted = asked.id if asked else before if before in runs else next(iter(runs))
    st.session_state[RUN_CHOICE] = wanted  # always: another page's widget of this key is another widget
    titles = _titles(list(runs.values()))
    chosen: str = st.selectbox(
        label, list(runs), format_func=lambda id_: titles.get(id_, id_), key=RUN_CHOICE, on_change=_to_address
    )
    st.session_state[RUN_SEEN] = st.query_params["run"] = chosen
    return runs[chosen]


def _asked_run() -> Run | None:
    """The address's run; one that is not there any more is said, and forgotten."""
    asked = st.query_params.get("run")
    if not asked:
        return None
    try:
        return store().run(asked)
    except RunNotFound as error:
        st.warning(plain(str(error)), icon=":material/warning:")
        del st.query_params["run"]
        return None


def _titles(runs: list[Run]) -> dict[str, str]:
    """Name and state of each; runs of one name are told apart by their ids."""
    count = Counter(run.name for run in runs)
    return {run.id: f"{run.name} · {run.id if count[run.name] > 1 else run.state}" for run in runs}


def _to_address() -> None:
    st.query_params["run"] = st.session_state[RUN_CHOICE]


def setting(model: type[BaseModel], name: str, value: Any, key: str, **options: Any) -> Any:
    """The widget for one field of a config: its kind, limits, title and help come from the field itself."""
    field = model.model_fields[name]
    label, help_ = field.title or name, plain(field.description or "")
    kind, optional = _kind(field)
    if get_origin(kind) is Literal:
        values = list(get_args(kind))
        return st.selectbox(label, values, index=values.index(value), help=help_, key=key, **options)
    if kind is bool:
        return st.toggle(label, value, help=help_, key=key, **options)
    low, high = _limits(field, kind)
    if isinstance(field.json_schema_extra, dict):
        share_step: Any = field.json_schema_extra["step"]
        return st.slider(label, low, high, float(value), share_step, help=help_, key=key, **options)
    step, number_format = (1, "%d") if kind is int else (_step(value), "%g")
    return st.number_input(
        label,
        low,
        high,
        None if value is None else kind(value),
        step,
        number_format,
        help=help_,
        key=key,
        placeholder="unset" if optional else None,
        **options,
    )


def _kind(field: FieldInfo) -> tuple[Any, bool]:
    """The field's type without None, and whether None is allowed."""
    parts = [part for part in get_args(field.annotation) if part is not type(None)]
    if type(None) in get_args(field.annotation):
        return parts[0], True
    return field.annotation, False


def _limits(field: FieldInfo, kind: type) -> tuple[Any, Any]:
    low = high = None
    for limit in field.metadata:
        match limit:
            case annotated_types.Ge(ge):
                low = kind(ge)
            case annotated_types.Gt(gt):
                low = kind(gt) + (1 if kind is int else 1e-6)
            case annotated_types.Le(le):
                high = kind(le)
            case annotated_types.Lt(lt):
                high = kind(lt) - (1 if kind is int else 0.05)
    return low, high


def _step(value: float) -> float:
    """One unit of the value's first digit: 0.001 for 0.001 to 0.009; 0.0001 from zero."""
    digits = 0 if value else 4
    while value and value * 10**digits < 1 and digits < 8:
        digits += 1
    return float(10**-digits)
