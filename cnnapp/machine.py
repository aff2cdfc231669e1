"""What this machine has: GPUs, cores, memory, disk. Asked without torch, so that the dashboard may."""

import os
import platform
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil
import pynvml

from cnnapp.settings import Settings


@dataclass(frozen=True)
class Gpu:
    name: str
    memory_gb: float


@dataclass(frozen=True)
class Machine:
    gpus: tuple[Gpu, ...]
    cpu: str
    cores: int
    memory_gb: float
    memory_free_gb: float
    disk_gb: float
    disk_free_gb: float


@cache
def gpus() -> tuple[Gpu, ...]:
    """NVIDIA GPUs that torch would see, in its order; empty without a driver."""
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        found = [
            Gpu(_text(pynvml.nvmlDeviceGetName(h)), pynvml.nvmlDeviceGetMemoryInfo(h).total / 1e9) for h in handles
        ]
    except pynvml.NVMLError:
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return tuple(found)
    return tuple(found[int(i)] for i in visible.split(",") if i.strip().isdigit() and int(i) < len(found))


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


@cache
def cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine(home: Path) -> Machine:
    """Sizes in GB (10⁹ bytes); disk is the one that holds ``home``."""
    memory = psutil.virtual_memory()
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    disk = shutil.disk_usage(existing)
    return Machine(
        gpus=gpus(),
        cpu=cpu_name(),
        cores=cores(),
        memory_gb=memory.total / 1e9,
        memory_free_gb=memory.available / 1e9,
        disk_gb=disk.total / 1e9,
        disk_free_gb=disk.free / 1e9,
    )


def devices(settings: Settings) -> list[str]:
    """One device per slot, in the order in which slots are filled: "cuda:0", "cuda:1", … or "cpu".

    ``settings.slots`` says how many runs train at once; 0 means one per GPU, or one on a CPU machine.
    """
    if settings.device == "auto":
        names = [f"cuda:{i}" for i in range(len(gpus()))] or ["cpu"]
    else:
        names = ["cuda:0" if settings.device == "cuda" else settings.device]
    slots = settings.slots or len(names)
    return [names[i % len(names)] for i in range(slots)]
