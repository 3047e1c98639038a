"""Training steps of neural networks, beside PyTorch's eager mode with the same layers, batches and optimizer.

Apache SystemDS runs the same script with its own neural network library.
"""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

from suite import systemds as sds

STEPS = 30  # that are timed, after as many that are not


@cache
def _script(name: str, precision: str, mode: str) -> Any:
    from gramian.api.script import Script
    from gramian.settings import Settings

    settings = Settings(parameters={"steps": STEPS}, precision=precision, mode=mode)
    return Script.compile_file(str(Path(__file__).with_name(f"{name}.dml")), settings)


def gramian(name: str, precision: str, mode: str = "local") -> Callable[[], float]:
    def run() -> float:
        out = io.StringIO()
        with redirect_stdout(out):
            _script(name, precision, mode).run()
        return _seconds(out.getvalue())

    return run


def _seconds(printed: str) -> float:
    line = next(line for line in printed.splitlines() if line.startswith("nanoseconds "))
    return float(line.split()[1]) / 1e9 / STEPS


def systemds(name: str) -> Callable[[], float]:
    def run() -> float:
        command = sds.process(Path(__file__).with_name(f"{name}.dml"), {"steps": STEPS})
        done = subprocess.run(command, cwd=_systemds_library(), capture_output=True, text=True, check=True)
        return _seconds(done.stdout)

    return run


@cache
def _systemds_library() -> Path:
    """A folder in which SystemDS finds its neural network library."""
    place = sds.HOME / "library"
    with zipfile.ZipFile(sds.folder() / "SystemDS.jar") as jar:
        jar.extractall(place, [name for name in jar.namelist() if name.startswith("scripts/nn/")])
    return place / "scripts"


def torch(name: str, precision: str, *, channels_last: bool = False) -> Callable[[], float]:
    return lambda: _torch_step(name, precision, channels_last)


@cache
def _model(name: str, precision: str, channels_last: bool) -> Any:
    import torch
    from torch import nn

    torch.manual_seed(1)
    lenet = (
        *(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(3136, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 10)),
    )
    two_layers = (nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    dtype = torch.float32 if precision == "single" else torch.float64
    network = nn.Sequential(*(lenet if name == "lenet" else two_layers)).to(dtype)
    images = torch.rand(3200, 1, 28, 28, dtype=dtype)
    if channels_last:
        network, images = network.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    decay = 5e-4 if name == "lenet" else 0.0
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=decay)
    return network, optimizer, images, torch.randint(0, 10, (3200,))


def _torch_step(name: str, precision: str, channels_last: bool) -> float:
    from torch.nn import functional

    network, optimizer, images, labels = _model(name, precision, channels_last)
    batch = 64 if name == "lenet" else 128
    start = 0.0
    for step in range(2 * STEPS):
        if step == STEPS:
            start = perf_counter()
        at = step * batch % len(images)
        optimizer.zero_grad()
        functional.cross_entropy(network(images[at : at + batch]), labels[at : at + batch]).backward()
        optimizer.step()
    return (perf_counter() - start) / STEPS
