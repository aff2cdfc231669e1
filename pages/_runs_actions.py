"""What can be done with the chosen runs."""

import streamlit as st

from cnnapp.errors import CnnAppError
from cnnapp.store import Run
from cnnapp.store.run import MAX_NAME
from pages._runs_table import choose
from pages._shared import plain, store

MESSAGES = "runs-messages"


def actions(runs: list[Run]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if len(runs) == 1:
            (run,) = runs
            query = {"run": run.id}
            link("train", "Open", "open_in_new", query)
            link("mistakes", "Mistakes", "grid_on", query)
            link("look_inside", "Look inside", "frame_inspect", query)
            link("train", "Train again with changes", "tune", {"from": run.id})
            if st.button("Rename", icon=":material/edit:"):
                rename(run)
        if st.button("Delete" if len(runs) == 1 else f"Delete {len(runs)} runs", icon=":material/delete:"):
            delete(runs)
    for message in st.session_state.pop(MESSAGES, []):
        st.error(plain(message), icon=":material/error:")


def link(page: str, label: str, icon: str, query: dict[str, str]) -> None:
    st.page_link(f"pages/{page}.py", label=label, icon=f":material/{icon}:", query_params=query)


@st.dialog("Rename")
def rename(run: Run) -> None:
    with st.form("rename", border=False):
        name = st.text_input("Name", run.name, max_chars=MAX_NAME, help="Empty: made from the settings")
        if not st.form_submit_button("Rename", type="primary"):
            return
    store().rename(run.id, name)
    st.rerun()


@st.dialog("Delete for good?")
def delete(runs: list[Run]) -> None:
    """Those that are running are left, each with the sentence that says why."""
    st.markdown("With settings, curves, weights and results:")
    st.markdown("\n".join(f"- **{plain(run.name)}** ({run.state}, {run.epoch} of {run.epochs} epochs)" for run in runs))
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep"):
            st.rerun()
        sure = st.button("Delete", type="primary", key="delete-sure")
    if not sure:
        return
    left, messages = [], []
    for run in runs:
        try:
            store().delete(run.id)
        except CnnAppError as error:
            messages.append(str(error))
            left.append(run.id)
    choose(left)
    st.session_state[MESSAGES] = messages
    st.rerun()
