"""The whole program: every file's functions, then the main script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gramian.errors import Diagnostic, ScriptError, did_you_mean
from gramian.ir.op import REGISTRY
from gramian.ir.program import Function, Program, Variable
from gramian.ir.types import BOOLEAN, DOUBLE, INT, NUMBER, STRING, UNKNOWN, Type, ValueType, scalar
from gramian.lang import tree
from gramian.lang.files import File, Files, Parse, Signature
from gramian.lang.lower import calls, expressions, statements
from gramian.lang.lower.context import Context, Entry, Unit
from gramian.settings import Settings
from gramian.source import Source, Span

NO_INPUTS: Mapping[str, Type] = MappingProxyType({})
UNDEFINED = scalar(UNKNOWN)


def lower(
    source: Source,
    parse: Parse,
    settings: Settings,
    inputs: Mapping[str, Type] = NO_INPUTS,
    outputs: Sequence[str] = (),
) -> Program:
    """The typed program of a main script and all files that it sources.

    `inputs` are variables that have a value before the script starts, `outputs` those whose values are wanted after it.

    Raises:
        ScriptError: with every error that was found in the files.
    """
    files = Files(parse, lambda name: name in REGISTRY)
    main_file = files.main(source)
    unit = Unit(files, settings)
    unit.errors += files.errors
    early = len(files.errors)
    functions: dict[str, Function] = {}
    main = _main(unit, main_file, inputs, outputs)
    done = 0
    while done < len(files.all):  # lowering may load library files
        for signature in files.all[done].functions.values():
            functions[signature.name] = _function(unit, signature)
        done += 1
    unit.errors += files.errors[early:]
    if unit.errors:
        raise ScriptError([_with_sourcing(found, files.all) for found in _in_order(unit.errors)])
    library = [file for file in files.all if file.is_library]
    callable = {name: signature.name for file in (*library, main_file) for name, signature in file.functions.items()}
    for alias, file in main_file.namespaces.items():
        callable |= {f"{alias}::{name}": signature.name for name, signature in file.functions.items()}
    return Program(source, main, functions, callable | {name: name for name in unit.named})


def _with_sourcing(found: Diagnostic, files: list[File]) -> Diagnostic:
    """What is wrong in another file also tells where that was sourced."""
    file = next((f for f in files if found.span and f.script.source is found.span.source), None)
    return found.with_note("sourced at", file.sourced_at) if file is not None and file.sourced_at else found


def _in_order(errors: list[Diagnostic]) -> list[Diagnostic]:
    """By place, each once; lowering loops repeatedly must not repeat their errors."""
    unique = list(dict.fromkeys(errors))
    files = list(dict.fromkeys(d.span.source.name for d in unique if d.span))
    return sorted(unique, key=lambda d: (files.index(d.span.source.name), d.span.start) if d.span else (-1, 0))


def _main(unit: Unit, file: File, inputs: Mapping[str, Type], outputs: Sequence[str]) -> Function:
    c = Context(unit, file, is_main=True)
    for name, type in inputs.items():
        c.entries[name] = Entry(type, True, _start(file))
    statements.lower_all(c, file.script.statements)
    unit.script_variables.update(c.entries)
    wanted = tuple(_output(c, name) for name in outputs)
    body = c.finish()
    span = file.script.statements[0].span if file.script.statements else _start(file)
    params = tuple(Variable(name, type) for name, type in inputs.items())
    return Function("main", "main", params, wanted, body, span, c.first_assigned)


def _output(c: Context, name: str) -> Variable:
    entry = c.entries.get(name)
    if entry is None:
        hint = did_you_mean(name, c.entries) or "assign it in the script, or take it out of the outputs"
        c.unit.errors.append(Diagnostic(f"output '{name}' is never assigned", None, hint))
    return Variable(name, UNDEFINED if entry is None or entry.type is None else entry.type.without_size())


def _start(file: File) -> Span:
    return Span(file.script.source, 0, 0)


def _function(unit: Unit, signature: Signature) -> Function:
    declared = signature.declared
    c = Context(unit, signature.file)
    for param in declared.params:
        c.entries[param.name] = Entry(calls.declared_type(param), True, param.span)
    statements.lower_all(c, declared.body)
    if not declared.external:
        for output in declared.outputs:
            _check_output(c, declared, output)
    return Function(
        signature.name,
        signature.title,
        tuple(_parameter(unit, signature, param) for param in declared.params),
        tuple(Variable(o.name, calls.declared_type(o)) for o in declared.outputs),
        c.finish(),
        declared.name_span,
        c.first_assigned,
    )


def _parameter(unit: Unit, signature: Signature, param: tree.Declared) -> Variable:
    default = None
    if param.default is not None:
        c = Context(unit, signature.file, constant=True)
        try:
            default = calls.convert(c, expressions.lower(c, param.default), param, param.default.span)
        except ScriptError as wrong:
            unit.errors += wrong.diagnostics
    return Variable(param.name, calls.declared_type(param), default)


SAFE_CASTS: dict[ValueType, tuple[ValueType, ...]] = {
    INT: (INT,),
    DOUBLE: (DOUBLE, INT, NUMBER),
    BOOLEAN: (BOOLEAN,),
    STRING: (STRING, INT, DOUBLE, NUMBER, BOOLEAN),
}


def _check_output(c: Context, declared: tree.Function, output: tree.Declared) -> None:
    """An output must be assigned, have the declared kind, and convert safely to the declared value type."""
    entry = c.entries.get(output.name)
    if entry is None:
        own = [name for name, known in c.entries.items() if known.span.start > declared.name_span.start]
        hint = did_you_mean(output.name, own) or "assign it in the body, or take it out of return (...)"
        c.unit.errors.append(
            Diagnostic(f"result '{output.name}' of {declared.name}() is never assigned", output.span, hint)
        )
        return
    if entry.type is None:
        return
    wanted = calls.declared_type(output)
    if entry.type.kind is not wanted.kind:
        _wrong_output(c, declared, output, entry)
    elif wanted.is_scalar and wanted.value_type not in (entry.type.value_type, UNKNOWN):
        found = entry.type.value_type
        if found is not UNKNOWN and found is not NUMBER and found not in SAFE_CASTS[wanted.value_type]:
            _wrong_output(c, declared, output, entry)
            return
        c.close_block()
        node = c.read(output.name, entry.span)
        c.assign(output.name, calls.cast(c, node, wanted.value_type, entry.span), entry.span)


def _wrong_output(c: Context, declared: tree.Function, output: tree.Declared, entry: Entry) -> None:
    assert entry.type is not None
    c.unit.errors.append(
        Diagnostic(
            f"result '{output.name}' of {declared.name}() is declared as {calls.declared_type(output).describe()}, "
            f"but assigned {entry.type.describe()}",
            entry.span,
            _output_hint(calls.declared_type(output), entry.type),
            (("declared at", output.span),),
        )
    )


def _output_hint(wanted: Type, found: Type) -> str | None:
    if wanted.kind is not found.kind:
        return calls.KIND_HINTS.get((wanted.kind, found.kind))
    if found.value_type is DOUBLE and wanted.value_type is INT:
        return "declare it as double, or round it with as.integer()"
    return f"declare it as {found.value_type.value}"
