"""Networks train with their batches on executors, and score distributed images, as they do on one machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gramian.api.script import Script
from gramian.backends.spark import SparkBackend
from gramian.budget import Budget
from gramian.runtime.run import Execution
from gramian.settings import Settings
from gramian.source import Source

MNIST = Path(__file__).parents[2] / "examples" / "mnist"


@pytest.fixture
def backend(spark: Any) -> Iterator[SparkBackend]:
    found = SparkBackend(lambda: spark, budget=Budget(), least=1 << 19)
    yield found
    found.end()


def compare(text: str, backend: SparkBackend, capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers that a script prints, on one machine and on the cluster."""
    program = Script.compile(Source(str(MNIST / "test.dml"), text), Settings(seed=3)).program
    Script(program, Settings(seed=3)).run()
    expected = [float(word) for word in capsys.readouterr().out.split()]
    Execution(program, backend, Settings(seed=3)).run()
    found = [float(word) for word in capsys.readouterr().out.split()]
    assert len(found) > 2
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    assert backend.cluster.jobs > 0


def test_lenet_trains_with_its_batches_on_executors(backend: SparkBackend, capsys: pytest.CaptureFixture[str]) -> None:
    compare(
        """
        source("lenet_distrib.dml") as lenet
        source("lenet.dml") as net
        [X, Y] = lenet::generate_dummy_data(96, 1, 8, 8, 4, 7)
        model = net::init(C=1, H=8, W=8, K=4, seed=1, F1=3, F2=4, M=16)
        hyper = list(C=1, H=8, W=8, keep=0.5, lambda=5e-4, lr=0.05, mu=0.9, seed=5)
        for (step in 1:3) {
          [loss, gradients] = lenet::group_gradients(model, hyper, X[((step - 1) * 32 + 1):(step * 32), ],
            Y[((step - 1) * 32 + 1):(step * 32), ], 10)
          model = net::aggregation(model, hyper, gradients)
          print(loss)
        }
        print(sum(as.matrix(model["W1"])) + " " + sum(as.matrix(model["W3"]) ^ 2))
        probs = lenet::predict(X, model, 1, 8, 8, 20)
        [loss, accuracy] = lenet::eval(probs, Y)
        print(loss + " " + accuracy)
        """,
        backend,
        capsys,
    )


SCORING = """
source("lenet_distrib.dml") as lenet
source("lenet.dml") as net
source("softmax.dml") as softmax
source("nn/layers/softmax.dml") as classes
X = rand(rows=3000, cols=64, min=-1, max=1, seed=7)                       # 1.5 MB: distributed
model = net::init(C=1, H=8, W=8, K=4, seed=1, F1=3, F2=4, M=16)
"""


@pytest.mark.parametrize(
    "scored",
    [
        "probs = lenet::predict(X, model, 1, 8, 8, 500)",
        """[scores, conv1, relu1, pool1, conv2, relu2, pool2, hidden, relu3, kept, mask] =
             net::forward(X, model, 1, 8, 8, 1.0, -1)
           probs = classes::forward(scores)""",
        "probs = softmax::predict(X, softmax::init(64, 4, 1))",
    ],
    ids=["batches in tasks", "layer by layer", "softmax regression"],
)
def test_a_network_scores_distributed_images(
    scored: str, backend: SparkBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    compare(
        f"{SCORING}\n{scored}\nprint(sum(probs * seq(1, nrow(X))) + ' ' + min(probs) + ' ' + max(probs))",
        backend,
        capsys,
    )


def test_a_parameter_server_on_executors(backend: SparkBackend, capsys: pytest.CaptureFixture[str]) -> None:
    compare(
        """
        source("lenet.dml") as lenet
        source("lenet_distrib.dml") as distrib
        [X, Y] = distrib::generate_dummy_data(400, 1, 8, 8, 4, 7)
        hyper = list(C=1, H=8, W=8, keep=0.5, lambda=5e-4, lr=0.02, mu=0.9, seed=-1)
        model = paramserv(model=lenet::init(C=1, H=8, W=8, K=4, seed=1, F1=3, F2=4, M=16), features=X, labels=Y,
          upd="lenet::gradients", agg="lenet::aggregation", epochs=1, batchsize=100, k=2, utype="BSP", freq="BATCH",
          mode="REMOTE_SPARK", hyperparams=hyper)
        print(sum(as.matrix(model["W1"])) + " " + sum(as.matrix(model["W2"])) + " " + sum(as.matrix(model["W3"]) ^ 2))
        """,
        backend,
        capsys,
    )
