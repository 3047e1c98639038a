"""The command line: `gramian run`, `check`, `explain`, `plot`, `builtins`, `doctor`.

Scripts print to standard output; everything else goes to standard error. Exit status: 0 success, 1 an error in a script,
2 a wrong command line. Modules are imported where they are used, so that `gramian --version` and help answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gramian import __version__
from gramian.arguments import upstream_spelling

if TYPE_CHECKING:
    from gramian.settings import Scalar, Settings
    from gramian.source import Source

app = typer.Typer(
    help="Run machine learning scripts written in DML, an R-like matrix language.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"gramian {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


NamedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--nvargs", metavar="K=V ...", help="Script parameters by name: `-nvargs k=3 data=x.csv` gives $k, $data."
    ),
]
PositionalOption = Annotated[
    list[str] | None,
    typer.Option("--args", metavar="V ...", help="Script parameters by position: `-args 3 x.csv` gives $1, $2."),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", metavar="N", help="Makes random numbers without a seed reproducible.")
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="P",
        help="Of matrices: `double`; `single`, half the memory, 7 digits; `bfloat16`, single with products of 3 digits.",
    ),
]

MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="What the process may take, such as `4G`, `500M` or `70%` of the machine (the default): what does not fit "
        "goes to disk.",
    ),
]
ScratchOption = Annotated[
    str | None,
    typer.Option("--scratch", metavar="FOLDER", help="Where that disk space is; by default in $TMPDIR or /var/tmp."),
]
ModeOption = Annotated[
    str,
    typer.Option(
        "--exec",
        metavar="MODE",
        help="Where to run: `auto` or `hybrid`: here, and with `--master` what is worth it on the cluster; `local` or "
        "`singlenode`: here; `torch`: here, with PyTorch's kernels; `spark`: all but small matrices on the cluster.",
    ),
]
MasterOption = Annotated[
    str | None,
    typer.Option(
        "--master",
        metavar="URL",
        help="The cluster, such as `spark://host:7077`, `sc://host:15002` or, with `-exec spark`, `local[*]` (the default).",
    ),
]


@app.command(
    epilog="""
**Examples**

`gramian run train.dml -nvargs data=patients.csv epochs=20`

`gramian run -s 'print(sum(seq(1, 100)))'`

`gramian run train.dml -stats 5`   the five heaviest operators afterwards

`gramian run train.dml -explain`   the plan first

`gramian run train.dml -memory 4G`   data that is larger goes through memory piece by piece

`gramian run train.dml -master spark://host:7077`   what is worth it runs on the cluster
"""
)
def run(
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="The script.", show_default=False)] = None,
    text: Annotated[str | None, typer.Option("--script", "-s", metavar="TEXT", help="The script's text.")] = None,
    path: Annotated[str | None, typer.Option("--file", "-f", metavar="FILE", help="Same as FILE.")] = None,
    nvargs: NamedOption = None,
    args: PositionalOption = None,
    stats: Annotated[
        int | None, typer.Option("--stats", metavar="[N]", help="Afterwards list the N (10) heaviest operators.")
    ] = None,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="[STAGE]", help="First print the plan (after a pass: its name).")
    ] = None,
    exec_: ModeOption = "auto",
    master: MasterOption = None,
    seed: SeedOption = None,
    precision: PrecisionOption = "double",
    memory: MemoryOption = None,
    scratch: ScratchOption = None,
) -> None:
    """Run a script."""
    settings = _settings(
        nvargs,
        args,
        precision,
        seed=seed,
        statistics=stats,
        progress=sys.stderr.isatty(),
        memory=memory,
        scratch=scratch,
        mode=exec_,
        master=master,
    )
    source = _source(file or path, text)

    def work() -> None:
        from gramian.api.script import Script, check_installed

        check_installed(settings)
        script = Script.compile(source(), settings)
        if explain is not None:
            from gramian.explain.command import print_plan

            print_plan(source(), settings, explain, sys.stderr)
        try:
            script.run()
        finally:
            sys.stdout.flush()
            if script.statistics is not None:
                from gramian.report import print_statistics

                print_statistics(script.statistics, settings.statistics or 10)

    _guarded(work)


@app.command(
    epilog="""
**Example**

`gramian check lib/*.dml train.dml -nvargs data=x.csv`
"""
)
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="The scripts.", show_default=False)],
    nvargs: NamedOption = None,
    args: PositionalOption = None,
    precision: PrecisionOption = "double",
) -> None:
    """Compile scripts without running them, and list all their errors."""
    settings = _settings(nvargs, args, precision)

    def work() -> None:
        from gramian.api.script import Script
        from gramian.errors import GramianError

        wrong = 0
        for path in files:
            try:
                Script.compile_file(path, settings)
            except GramianError as error:
                wrong += 1
                print(render(error), file=sys.stderr)
            else:
                print(f"{path}: ok")
        if wrong:
            raise typer.Exit(1)

    _guarded(work)


@app.command(
    epilog="""
**Examples**

`gramian explain train.dml -nvargs data=x.csv`

`gramian explain train.dml --after lower`   before any optimisation

`gramian explain train.dml --html plan.html`   as a page for the browser

`gramian explain train.dml --stats`   run it, and show where the time goes

`gramian explain train.dml --master spark://host:7077`   what would run on the cluster, and why
"""
)
def explain(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The script.", show_default=False)],
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="PASS", help="Show the plan after this pass instead of the last one."),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="PAGE", help="Write a page with the plan as a graph, in one file."),
    ] = None,
    stats: Annotated[
        int | None,
        typer.Option(
            "--stats", metavar="[N]", help="Run the script, show times, and list the N (10) heaviest operators."
        ),
    ] = None,
    exec_: ModeOption = "auto",
    master: MasterOption = None,
    seed: SeedOption = None,
    nvargs: NamedOption = None,
    args: PositionalOption = None,
    precision: PrecisionOption = "double",
    memory: MemoryOption = None,
    scratch: ScratchOption = None,
) -> None:
    """Show how a script will run: its blocks and operators with sizes, estimated memory and kernels."""
    settings = _settings(
        nvargs,
        args,
        precision,
        memory=memory,
        scratch=scratch,
        seed=seed,
        statistics=stats,
        progress=sys.stderr.isatty(),
        mode=exec_,
        master=master,
    )

    def work() -> None:
        from gramian.explain.command import explain as command

        command(_source(file, None)(), settings, after or "", html)

    _guarded(work)


@app.command(
    epilog="""
**Examples**

`gramian plot out/history.csv`   draws out/history.png: losses in one panel, accuracies in another

`gramian plot out/history.csv --out curves.svg --x epoch`

`gramian plot out/history.csv --columns loss,learning_rate`   these columns alone
"""
)
def plot(
    file: Annotated[str, typer.Argument(metavar="HISTORY.csv", help="A csv file with a header.", show_default=False)],
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where to: a name ending in .png, .svg or .pdf."),
    ] = None,
    x: Annotated[
        str | None,
        typer.Option(
            "--x", metavar="COLUMN", help="What curves run along; by default epoch, step or the row's number."
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="A,B,...", help="Which columns; by default losses and accuracies, if any."),
    ] = None,
) -> None:
    """Draw the columns of a csv file, such as the history of a training, as curves."""

    def work() -> None:
        from gramian.plot import plot as command

        command(file, out, x, [name.strip() for name in (columns or "").split(",") if name.strip()])

    _guarded(work)


@app.command(
    epilog="""
**Examples**

`gramian builtins`   all of them

`gramian builtins order`   one with its arguments
"""
)
def builtins(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One builtin.", show_default=False)] = None,
) -> None:
    """List the builtin functions and operators."""

    def work() -> None:
        from gramian.report import print_builtins

        print_builtins(name)

    _guarded(work)


@app.command(
    epilog="""
**Examples**

`gramian doctor`   this machine

`gramian doctor --master spark://host:7077`   and a cluster with its workers; `sc://host` is Spark Connect
"""
)
def doctor(
    master: Annotated[
        str | None,
        typer.Option(
            "--master", metavar="URL", help="Also look at the Spark cluster there, such as `sc://host:15002`."
        ),
    ] = None,
    memory: MemoryOption = None,
    scratch: ScratchOption = None,
) -> None:
    """Check what runs need on this machine, and say how to mend what is wrong."""
    settings = _settings(None, None, "double", memory=memory, scratch=scratch)

    def work() -> None:
        from gramian.doctor import examine

        if not examine(master, settings):
            raise typer.Exit(1)

    _guarded(work)


# -- what the commands share --------------------------------------------------------------------------------------------


def _source(file: str | None, text: str | None) -> Callable[[], Source]:
    if (file is None) == (text is None):
        fail("name a script file, or give the script's text with -s")

    def load() -> Source:
        from gramian.api.script import read_text
        from gramian.source import Source

        if text is not None:
            return Source("<text>", text)
        assert file is not None
        if file.endswith(".pydml"):
            fail(f"'{file}': PyDML scripts are not supported yet, only DML")
        return Source(file, read_text(file))

    return load


def _settings(
    nvargs: Sequence[str] | None,
    args: Sequence[str] | None,
    precision: str,
    *,
    seed: int | None = None,
    statistics: int | None = None,
    progress: bool = False,
    memory: str | None = None,
    scratch: str | None = None,
    mode: str = "auto",
    master: str | None = None,
) -> Settings:
    from gramian.budget import memory_size
    from gramian.errors import UsageError
    from gramian.settings import Settings

    if nvargs and args:
        fail("give script parameters either with -nvargs or with -args")
    if statistics is not None and statistics < 1:
        fail(f"-stats takes a number of operators of at least 1, found {statistics}")
    given = parameters(nvargs or (), args or ())
    try:
        size = None if memory is None else memory_size(memory)
        return Settings(given, seed, statistics, None, progress, precision.lower(), size, scratch, mode.lower(), master)
    except UsageError as error:
        fail(str(error))


def parameters(named: Sequence[str], positional: Sequence[str]) -> dict[str, Scalar]:
    """Script parameters from the words after -nvargs and -args."""
    from gramian.settings import parameter_value

    found = {str(at): parameter_value(text) for at, text in enumerate(positional, 1)}
    for item in named:
        name, equals, text = item.partition("=")
        if not equals:
            fail(f"-nvargs takes name=value, found '{item}'")
        if not (name.isascii() and name.replace("_", "a").isalnum() and name[0].isalpha()):
            fail(f"'{name}' cannot be the name of a script parameter: use letters, digits and _")
        if name in found:
            fail(f"script parameter '{name}' is given twice")
        found[name] = parameter_value(text)
    return found


def render(error: Exception) -> str:
    from gramian.errors import ScriptError

    return error.render() if isinstance(error, ScriptError) else f"error: {error}"


def fail(message: str, status: int = 2) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(status)


def _guarded(work: Callable[[], None]) -> None:
    """Run a command's work; what goes wrong ends in one message and an exit status, never in a traceback."""
    from gramian.errors import GramianError, UsageError

    try:
        work()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output went away, as `head` does; nothing is left to say, not even while Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        sys.stdout.flush()
        fail("interrupted", 130)
    except UsageError as error:
        fail(str(error))
    except GramianError as error:
        sys.stdout.flush()
        print(render(error), file=sys.stderr)
        raise typer.Exit(1) from None
    except typer.Exit:
        raise
    except Exception as error:
        if os.environ.get("GRAMIAN_DEBUG"):
            raise
        sys.stdout.flush()
        what = f"{type(error).__name__}: {error}"
        fail(
            f"internal error, a defect of gramian: {what}\n  set GRAMIAN_DEBUG=1 to see where, and please report it", 70
        )


def main() -> None:
    """The entry point of the command `gramian`."""
    try:
        arguments = upstream_spelling(sys.argv[1:])
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    app(args=arguments, prog_name="gramian")
