"""Where a training computes, and what that is called."""

import platform
import re
from pathlib import Path

import torch

from cnnapp.errors import InvalidConfig


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name: "auto" (the first GPU where there is one, else the CPU), "cpu", "cuda" or "cuda:N".

    Raises:
        InvalidConfig: There is no such device here.
    """
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda:0" if num_gpus else "cpu"
    found = re.fullmatch(r"cpu|cuda(?::(\d+))?", name)
    if found is None:
        raise InvalidConfig(f"device is {name!r}, but it must be auto, cpu, cuda or cuda:N.")
    if name == "cpu":
        return torch.device("cpu")
    index = int(found[1] or 0)
    if index >= num_gpus:
        here = f"only {', '.join(f'cuda:{i}' for i in range(num_gpus))}" if num_gpus else "no GPU that torch can use"
        raise InvalidConfig(f"device is {name!r}, but there is {here} here. Set it to auto or cpu.")
    return torch.device("cuda", index)


def device_name(device: torch.device) -> str:
    """What people call it: "NVIDIA H200", or "AMD EPYC 7763, 2 threads"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    num_threads = torch.get_num_threads()
    return f"{_cpu_model()}, {num_threads} thread{'' if num_threads == 1 else 's'}"


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:  # not Linux
        text = ""
    found = re.search(r"^model name\s*:\s*(\S.*)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine() or "CPU"
