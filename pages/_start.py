"""Starting a run by a click, once: a double click is one intention."""

import uuid

import streamlit as st

import cnnapp
from cnnapp.config import RunConfig
from cnnapp.errors import CnnAppError
from pages._shared import plain

ERROR, GO_TO, LAST = "start-error", "start-go-to", "start-last"


def start(config: RunConfig, token_key: str, name: str = "") -> None:
    """Submit; for on_click of a button on a page that calls ``offer_start``.

    The second click of a double click brings the same token, or finds none any more: either way it means the run of
    the first.
    """
    token = st.session_state.get(token_key)
    if token is None:
        st.session_state[GO_TO] = st.session_state.get(LAST)
        return
    try:
        run = cnnapp.submit(config, name, token=token)
    except CnnAppError as error:
        st.session_state[ERROR] = str(error)
        return
    st.session_state[GO_TO] = st.session_state[LAST] = run.id


def offer_start(*token_keys: str) -> None:
    """A token for each button, until a run was started: then its page is shown. Says why one could not be started."""
    if run_id := st.session_state.pop(GO_TO, None):
        for key in token_keys:
            st.session_state.pop(key, None)
        st.switch_page("pages/train.py", query_params={"run": run_id})
    for key in token_keys:
        st.session_state.setdefault(key, uuid.uuid4().hex)
    if message := st.session_state.pop(ERROR, None):
        st.error(plain(message), icon=":material/error:")


def forget_start() -> None:
    """On the run's own page: nothing is left that would lead back to it."""
    st.session_state.pop(GO_TO, None)
