"""The workloads: what each reads, who its peers are and how much quicker than them gramian has to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from suite import inputs
from suite.inputs import Dataset

FOLDER = Path(__file__).parents[1] / "workloads"
SYSTEMDS = "systemds"


@dataclass(frozen=True)
class Workload:
    """A script `<name>/<name>.dml` and, beside it, `peer_<peer>.py` for every peer but SystemDS, which runs the script.

    `targets` says for each peer how many times its speed gramian is to reach, None for peers that are there to compare with
    only. Results may differ by `tolerance`, relative to
    the largest cell; `limits` names peers that do less than the whole work, so that only their time counts. `process`: what
    is timed is the whole process, not what the script times itself.
    """

    name: str
    title: str
    dataset: Dataset
    targets: Mapping[str, float | None]
    parameters: Mapping[str, int] = field(default_factory=dict)
    quick_parameters: Mapping[str, int] = field(default_factory=dict)
    tolerance: float = 1e-9
    limits: tuple[str, ...] = ()
    process: bool = False
    # Only some of the dataset's matrices, if not all.
    reads: tuple[str, ...] = ()

    @property
    def script(self) -> Path:
        return FOLDER / self.name / f"{self.name}.dml"

    def peer_file(self, peer: str) -> Path:
        return FOLDER / self.name / f"peer_{peer}.py"

    def files(self, quick: bool) -> dict[str, Path]:
        files = self.dataset.files(quick)
        return {name: files[name] for name in self.reads or self.dataset.names}

    def arguments(self, quick: bool) -> dict[str, int]:
        return dict(self.quick_parameters or self.parameters) if quick else dict(self.parameters)


WORKLOADS = (
    Workload(
        "linreg_cg",
        "linear regression by conjugate gradient, 1,000,000 x 100, 20 iterations",
        inputs.REGRESSION,
        {"numpy": 2.5, SYSTEMDS: 3.0},
        parameters={"iterations": 20},
        quick_parameters={"iterations": 10},
        tolerance=1e-6,
    ),
    Workload(
        "normal_product",
        "`t(X) %*% (w * (X %*% v))`, 1,000,000 x 200",
        inputs.WEIGHTED,
        {"numpy": 2.0, "read": 0.8},
        limits=("read",),
    ),
    Workload(
        "softmax_regression",
        "multinomial logistic regression by a trust region, 500,000 x 50, 5 classes",
        inputs.CLASSES,
        {"sklearn": 1.5, SYSTEMDS: 3.0},
        tolerance=1e-7,
    ),
    Workload(
        "kmeans",
        "k-means, 1,000,000 x 50, k = 10, 20 iterations",
        inputs.CLUSTERS,
        {"sklearn": 1.0, SYSTEMDS: 3.0},
        parameters={"iterations": 20},
        quick_parameters={"iterations": 5},
    ),
    Workload(
        "pca",
        "principal components, 1,000,000 x 100",
        inputs.REGRESSION,
        {"sklearn": 1.2, SYSTEMDS: 2.0},
        parameters={"k": 10},
        reads=("X",),
    ),
    Workload(
        "l2svm",
        "L2 support vector machine, sparse 500,000 x 10,000, 20 cells a row",
        inputs.SVM,
        {"scipy": 1.5, SYSTEMDS: 2.0},
        parameters={"iterations": 30},
        tolerance=1e-6,
    ),
    Workload(
        "factorization",
        "weighted matrix factorisation, 1 % of 20,000 x 10,000, rank 20, 5 steps",
        inputs.RATINGS,
        {"scipy": 5.0, SYSTEMDS: 1.5},
        parameters={"iterations": 5},
    ),
    Workload(
        "elementwise",
        "`sum((X - Y)^2 * exp(-abs(X)))`, 20,000,000 cells",
        inputs.TWO,
        {"numpy": 8.0, "numexpr": 1.5, "numpy_tuned": None},
    ),
    Workload("softmax", "softmax over rows, 1,000,000 x 100", inputs.REGRESSION, {"numpy": 3.0}, reads=("X",)),
    Workload(
        "standardize",
        "standardised columns, 1,000,000 x 100",
        inputs.REGRESSION,
        {"numpy": 3.0, "numpy_tuned": None},
        reads=("X",),
    ),
    Workload("trace", "`sum(diag(Z %*% Z))`, 2,000 x 2,000", inputs.SQUARE, {"numpy": 10.0}),
    Workload(
        "small_matrices",
        "loop of five operators over 100 x 100, 10,000 iterations",
        inputs.SMALL,
        {"numpy": 0.9, SYSTEMDS: 3.0},
        parameters={"iterations": 10_000},
        quick_parameters={"iterations": 100},
    ),
    Workload(
        "whole_process",
        "whole process: a script of 330 lines on 10,000 x 50",
        inputs.CUSTOMERS,
        {SYSTEMDS: 2.5},
        process=True,
    ),
)
