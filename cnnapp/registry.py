"""Named things that are found by being there: datasets, network families, presets.

Each registry belongs to a package; every module in it ends in ``REGISTRY.add(...)``. The modules are imported when
the registry is first asked, so that adding an entry is adding a file, and importing ``cnnapp`` stays cheap.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from threading import RLock
from typing import Generic, Protocol, TypeVar

from cnnapp.errors import UnknownName


class Named(Protocol):
    @property
    def name(self) -> str: ...


Entry = TypeVar("Entry", bound=Named)


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Read-only mapping from name to entry, in the order of the entries' modules."""

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, Entry] = {}
        self._discovered = False
        self._lock = RLock()

    def add(self, entry: Entry) -> None:
        if entry.name in self._entries:
            raise ValueError(f"{self.kind} {entry.name!r} is registered twice")
        self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> Entry:
        self._discover()
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownName(self._explain(name)) from None

    def __iter__(self) -> Iterator[str]:
        self._discover()
        return iter(self._entries)

    def __len__(self) -> int:
        self._discover()
        return len(self._entries)

    def _discover(self) -> None:
        if self._discovered:
            return
        with self._lock:  # pages run in threads: nobody may see half a registry
            if self._discovered:
                return
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__, self.package + "."):
                importlib.import_module(module.name)
            self._discovered = True

    def _explain(self, name: str) -> str:
        close = get_close_matches(str(name).lower(), self._entries, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(self._entries)}."
        return f"There is no {self.kind} named {name!r}. {hint}"
