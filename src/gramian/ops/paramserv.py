"""paramserv: training of a model by workers that share it through a parameter server.

The functions that it calls belong to the running program, so the runtime does the work (`gramian.runtime.paramserv`);
here is what its arguments mean, and which of them are wrong.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gramian.errors import OperationError, SizeError, did_you_mean
from gramian.ir.op import Effect, define, missing
from gramian.ir.types import LIST, Type
from gramian.ops.control import by_the_runtime

CONTIGUOUS, ROUND_ROBIN, RANDOM = "DISJOINT_CONTIGUOUS", "DISJOINT_ROUND_ROBIN", "DISJOINT_RANDOM"
RESHUFFLE = "OVERLAP_RESHUFFLE"
CHOICES: Mapping[str, tuple[str, ...]] = {
    "mode": ("LOCAL", "REMOTE_SPARK"),  # the latter is the same as the former where there is no cluster
    "utype": ("ASP", "BSP", "SBP", "SSP"),
    "freq": ("EPOCH", "BATCH", "NBATCHES"),
    "scheme": (CONTIGUOUS, ROUND_ROBIN, RANDOM, RESHUFFLE),
    "checkpointing": ("NONE",),
    "runtime_balancing": ("NONE",),
}
_ELSEWHERE = {
    ("checkpointing", "EPOCH"): "write the model in the script, between calls of paramserv() with fewer epochs",
    ("checkpointing", "EPOCH10"): "write the model in the script, between calls of paramserv() with fewer epochs",
    ("runtime_balancing", None): "it is for federated training, which gramian does not have",
}
_LEAST = {"epochs": 1, "batchsize": 1, "k": 1, "nbatches": 1, "num_backup_workers": 0, "staleness": 0}
_FEDERATED = ("weighting", "he")


@dataclass(frozen=True, slots=True)
class Options:
    """How to train. None stands for what is not known yet, or has no default."""

    epochs: int | None
    batchsize: int | None
    k: int | None
    mode: str | None
    utype: str | None
    freq: str | None
    scheme: str | None
    average: bool | None
    nbatches: int | None
    num_backup_workers: int | None
    staleness: int | None
    seed: int | None
    checkpointing: str | None
    weighting: bool | None
    runtime_balancing: str | None
    he: bool | None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """From arguments by name."""
        return cls(**{f.name: given["modelAvg" if f.name == "average" else f.name] for f in fields(cls)})

    def check(self) -> None:
        """Refuse options that are wrong, or that nothing here would heed."""
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise OperationError(f"argument '{name}' of paramserv() must be at least {least}, found {value}")
        for name in CHOICES:
            _check_choice(name, getattr(self, name))
        for name in _FEDERATED:
            if getattr(self, name):
                hint = "it is for federated training, which gramian does not have"
                raise OperationError(f"argument '{name}' of paramserv() must be FALSE", hint)

    @property
    def workers(self) -> int:
        return self.k if self.k is not None else os.cpu_count() or 1

    def batches_per_push(self, batches: int) -> int:
        """How many of a worker's batches go into one message to the server."""
        if self.freq == "EPOCH":
            return max(batches, 1)
        return self.nbatches or 1 if self.freq == "NBATCHES" else 1


def _check_choice(name: str, value: str | None) -> None:
    known = CHOICES[name]
    if value is None or value in known:
        return
    hint = _ELSEWHERE.get((name, value)) or _ELSEWHERE.get((name, None)) or did_you_mean(value, known)
    if len(known) == 1:
        raise OperationError(f'argument \'{name}\' of paramserv() must be "{known[0]}", found "{value}"', hint)
    names = ", ".join(f'"{k}"' for k in known)
    raise OperationError(f"argument '{name}' of paramserv() must be one of {names}, found \"{value}\"", hint)


def check_data(features: tuple[int | None, ...], labels: tuple[int | None, ...], prefix: str = "") -> None:
    """Features and labels need equal numbers of rows."""
    if None not in (features[0], labels[0]) and features[0] != labels[0]:
        raise SizeError(
            f"arguments '{prefix}features' and '{prefix}labels' of paramserv() must have equal numbers of rows, "
            f"found {features[0]} and {labels[0]}"
        )


def check_validation(given: Mapping[str, bool]) -> None:
    """The validation function and its data come together."""
    if any(given.values()) and not all(given.values()):
        absent = next(name for name, there in given.items() if not there)
        named = next(name for name, there in given.items() if there)
        raise OperationError(f"paramserv() with '{named}' also needs '{absent}'")


def _type(*types: Type) -> Type:
    given = dict(zip(NAMES, types, strict=True))
    check_data((given["features"].rows,), (given["labels"].rows,))
    validation = ("val", "val_features", "val_labels")
    check_validation({name: not missing(given[name]) for name in validation})
    if not missing(given["val"]):
        check_data((given["val_features"].rows,), (given["val_labels"].rows,), "val_")
    Options.of({name: _known(type) for name, type in given.items()}).check()
    return LIST


def _known(type: Type) -> Any:
    whole = type.int_value()
    return type.value if whole is None else whole


PARAMSERV = define(
    "paramserv(model: list, features: matrix, labels: matrix, upd: string, agg: string, epochs: int, "
    "val_features: matrix = missing, val_labels: matrix = missing, val: string = missing, hyperparams: list = missing, "
    'batchsize: int = 64, k: int = missing, mode: string = "LOCAL", utype: string = "ASP", freq: string = "EPOCH", '
    'scheme: string = "DISJOINT_CONTIGUOUS", modelAvg: boolean = FALSE, nbatches: int = 1, '
    "num_backup_workers: int = 1, staleness: int = 1, seed: int = missing, "
    'checkpointing: string = "NONE", weighting: boolean = FALSE, runtime_balancing: string = "NONE", '
    "he: boolean = FALSE)",
    _type,
    by_the_runtime,
    "the model, trained by k workers on parts of the rows: upd gives the gradients of a batch, agg updates the model, "
    "val measures it after each epoch",
    family="paramserv",
    effect=Effect.ORDERED,
    functions=("upd", "agg", "val"),
)
NAMES = tuple(p.name for p in PARAMSERV.params)
