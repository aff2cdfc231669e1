"""A viewer without a browser: it speaks Streamlit's websocket protocol and keeps the timers that a page asks for.

It does what Streamlit's frontend does: it asks for the page once, then for every timed fragment at its interval, but
for none whose answer is still awaited. It says which large messages it has kept, so that the server sends their names
only. The protocol is not a public one: it goes with the version of Streamlit that requirements.txt names.
"""

import asyncio
import time
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

KEPT_FOR = 2  # updates; Streamlit's global.maxCachedMessageAge


@dataclass
class Viewer:
    """One viewer of ``page`` ("train") with ``query`` ("run=…") on the server ``url``."""

    url: str
    page: str
    query: str
    seconds: list[float] = field(default_factory=list)  # from each request of an update to its last message
    bytes_received: int = 0
    wanted: int = 0  # how often a timer rang
    errors: list[str] = field(default_factory=list)
    is_open: bool = False  # the page has been shown once
    _script: str = ""
    _updates: int = 0
    _kept: dict[str, int] = field(default_factory=dict)  # hashes of messages, and the update that last used each
    _asked: dict[str, float] = field(default_factory=dict)
    _timers: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    def forget(self) -> None:
        """Count from now on."""
        self.seconds, self.bytes_received, self.wanted = [], 0, 0

    async def watch(self) -> None:
        """Until cancelled."""
        address = self.url.replace("http", "ws", 1) + "/_stcore/stream"
        # the second name stands where a browser sends its cookie's token
        protocols = ["streamlit", "PLACEHOLDER_AUTH_TOKEN"]
        try:
            async with connect(address, subprotocols=protocols, max_size=None, compression=None) as socket:  # type: ignore[arg-type]
                await self._ask(socket)
                async for message in socket:
                    self._take(socket, message if isinstance(message, bytes) else message.encode())
            self.errors.append("the server closed the connection")
        except (ConnectionClosed, OSError) as error:
            self.errors.append(f"{type(error).__name__}: {error}")
        finally:
            for timer in self._timers.values():
                timer.cancel()

    async def _ask(self, socket: ClientConnection, fragment: str = "") -> None:
        request = BackMsg()
        request.rerun_script.query_string = self.query
        request.rerun_script.page_name = self.page
        request.rerun_script.page_script_hash = self._script
        request.rerun_script.fragment_id = fragment
        request.rerun_script.is_auto_rerun = bool(fragment)
        request.rerun_script.cached_message_hashes.extend(self._kept)
        await socket.send(request.SerializeToString())

    def _take(self, socket: ClientConnection, data: bytes) -> None:
        self.bytes_received += len(data)
        message = ForwardMsg()
        message.ParseFromString(data)
        if message.metadata.cacheable or message.ref_hash:
            self._kept[message.ref_hash or message.hash] = self._updates
        match message.WhichOneof("type"):
            case "new_session":
                self._script = message.new_session.page_script_hash
            case "delta" if message.delta.new_element.HasField("exception"):
                self.errors.append(message.delta.new_element.exception.message)
            case "auto_rerun" if message.auto_rerun.fragment_id not in self._timers:
                fragment, interval = message.auto_rerun.fragment_id, message.auto_rerun.interval
                self._timers[fragment] = asyncio.create_task(self._ring(socket, fragment, interval))
            case "script_finished":
                self.is_open = True
                now = time.perf_counter()
                self.seconds += [now - asked for asked in self._asked.values()]
                self._asked.clear()
                self._updates += 1
                self._kept = {hash_: last for hash_, last in self._kept.items() if last > self._updates - 1 - KEPT_FOR}

    async def _ring(self, socket: ClientConnection, fragment: str, interval: float) -> None:
        due = time.perf_counter()
        while True:
            due += interval
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self.wanted += 1
            if fragment not in self._asked:
                self._asked[fragment] = time.perf_counter()
                await self._ask(socket, fragment)
