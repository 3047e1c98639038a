"""What holds for every operator: its record, and the promises that the record makes, tried on its samples."""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from samples import (
    Sample,
    agrees,
    all_samples,
    apply,
    arrays,
    bind,
    convert,
    copied,
    evaluate,
    full_type,
    infer,
    is_plain,
    less_known,
    parse,
    same,
)

from gramian.errors import OperationError, SizeError
from gramian.ir import scalar as s
from gramian.ir.op import REGISTRY, Effect, Op, Trait, parse_signature
from gramian.ir.types import BOOLEAN, DOUBLE, INT, NUMBER, STRING, UNKNOWN, Kind, Type, ValueType, scalar, type_of
from gramian.ir.values import ListValue

OPERATORS = REGISTRY.records()
SAMPLES = all_samples()
REPEATABLE = [x for x in SAMPLES if x.op.effect is Effect.PURE]

WITHOUT_SAMPLES = {
    "grad": "needs the functions of a program",
    "eval": "needs the functions of a running program",
    "evalList": "needs the functions of a running program",
    "exists": "needs the variables of a running program",
    "paramserv": "needs the functions of a running program",
    "read": "needs a file",
    "readMM": "needs a file",
    "transformmeta": "needs files",
    "write": "has no result but a file",
    "print": "has no result but its output",
    "stop": "never returns",
    "assert": "has no result",
    "lineage": "is for the compiler to answer",
    "time": "is different each time",
}


def each(objects: list[Any] | tuple[Any, ...]) -> Any:
    def name(x: Any) -> str:
        return x.name if isinstance(x, Op) else str(x)

    return pytest.mark.parametrize("op" if isinstance(objects[0], Op) else "sample", objects, ids=name)


def having(trait: Trait) -> list[Sample]:
    return [x for x in REPEATABLE if x.op.has(trait)]


# ---- records ----


@each(OPERATORS)
def test_documentation_is_one_line_in_one_style(op):
    assert op.doc.strip() == op.doc != ""
    assert "\n" not in op.doc
    assert not op.doc.endswith(".")
    assert len(op.doc) <= 220


@each(OPERATORS)
def test_signature_reads_back(op):
    name, params = parse_signature(op.signature)
    assert name == op.name
    assert [str(p) for p in params] == [str(p) for p in op.params]
    assert op.variadic or params == op.params


@each(OPERATORS)
def test_family_is_a_module_of_operators(op):
    assert importlib.util.find_spec(f"gramian.ops.{op.family}") is not None


@each(OPERATORS)
def test_has_samples(op):
    assert (op.samples == ()) <= (op.name in WITHOUT_SAMPLES)
    assert len(set(op.samples)) == len(op.samples)


@each(OPERATORS)
def test_names(op):
    for alias in (op.name, *op.aliases):
        assert REGISTRY[alias] is op
    names = [p.name for p in op.params]
    assert len(set(names)) == len(names)
    by = {name for key in op.gradient for name in key.split(", ")}
    assert by <= {*names, *(("left", "right") if op.variadic else ())}
    assert not any(p.required for p in itertools.dropwhile(lambda p: p.required or p.variadic, op.params))


# ---- calls ----


def _refusal(op: Op, names: list[str | None]) -> str:
    with pytest.raises(OperationError) as raised:
        op.bind(names)
    assert op.name in raised.value.message
    return f"{raised.value.message}; {raised.value.hint}"


@each([op for op in OPERATORS if op.params])
def test_wrong_arguments_are_refused_with_the_usage(op):
    required = [p for p in op.params if p.required]
    named = [p.name for p in required]
    assert op.usage in _refusal(op, [*named, "no_such_argument"])
    if required:
        assert op.usage in _refusal(op, named[1:])
    if required and not required[0].variadic:
        assert named[0] in _refusal(op, [named[0], *named])
    if not op.variadic:
        assert op.usage in _refusal(op, [None] * (len(op.params) + 1))


def test_arguments_that_no_operator_has_are_refused():
    with pytest.raises(OperationError, match="takes no arguments"):
        REGISTRY["time"].bind([None])


# ---- types ----


@each(SAMPLES)
def test_inferred_types_agree_with_the_result(sample):
    values = sample.values()
    result = apply(sample.op, values)
    assert is_plain(result)
    full = [full_type(v) for v in values]
    assert all(sample.op.param(at).accepts_type(t) for at, t in enumerate(full))
    assert agrees(result, infer(sample.op, full))
    for at, type_ in enumerate(full):
        for part in less_known(type_):
            assert agrees(result, _inferred(sample.op, [*full[:at], part, *full[at + 1 :]], result))
    values_only = [t if t.is_scalar else t.without_size() for t in full]
    assert agrees(result, infer(sample.op, values_only))
    for types in ([t.without_value() for t in full], [t.without_size() for t in full]):
        assert agrees(result, _inferred(sample.op, types, result))


def _inferred(op: Op, types: list[Type], otherwise: Any) -> Type:
    try:
        return infer(op, types)
    except OperationError as refused:
        if "must be a constant" not in refused.message:
            raise
        return full_type(otherwise)


@each([x for x in SAMPLES if x.op.outputs])
def test_outputs_have_names(sample):
    assert len(sample.result()) == len(sample.op.outputs)


# ---- memory ----


@each([op for op in OPERATORS if any(x.op is op for x in SAMPLES)])
def test_inputs_stay_as_they_are(op):
    for sample in (x for x in SAMPLES if x.op is op):
        values = sample.values()
        before = copied(values)
        for array in arrays(tuple(values)):
            array.flags.writeable = False
        apply(op, values)
        assert same(tuple(before), tuple(values)), sample


@each([op for op in OPERATORS if any(x.op is op for x in SAMPLES)])
def test_results_share_memory_only_as_declared(op):
    """The runtime writes in place into results of operators without SHARES, and into what these share it follows."""
    for sample in (x for x in SAMPLES if x.op is op):
        values = sample.values()
        result = apply(op, values)
        for at, value in enumerate(values):
            if op.has(Trait.SHARES) and (at == 0 or isinstance(result, ListValue | tuple)):
                continue
            for theirs, mine in itertools.product(arrays(value), arrays(result)):
                assert not np.shares_memory(theirs, mine), sample
        if not op.has(Trait.SHARES):
            assert all(array.flags.writeable for array in arrays(result)), sample


def wide(x: np.ndarray) -> np.ndarray:
    return np.tile(x, (1, 2))[:, : x.shape[1]]


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "by column": np.asfortranarray,
    "view of a wider matrix": wide,
    "every second row and column": lambda x: np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)[::2, ::2],
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_in_memory_does_not_matter(layout):
    for sample in REPEATABLE:
        values = sample.values()
        expected = apply(sample.op, values)
        found = apply(sample.op, [LAYOUTS[layout](v) if isinstance(v, np.ndarray) else v for v in values])
        assert same(expected, found, 1e-12), sample


# ---- scalars ----

INTS = (0, 1, -1, 2, 3, -7, 2**53 + 1, 2**62, s.INT_MAX, s.INT_MIN)
DOUBLES = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -2.5, 3.0, 1e-320, 1e308, -1e308, 2.0**63, math.nan, math.inf, -math.inf)
BOOLEANS = (True, False)
STRINGS = ("", "a", "b", "1", " 2.5 ", "TRUE", "true", "NaN")
NASTY: dict[ValueType, tuple[Any, ...]] = {
    INT: INTS,
    DOUBLE: DOUBLES,
    NUMBER: INTS + DOUBLES,
    BOOLEAN: BOOLEANS,
    STRING: STRINGS,
    UNKNOWN: INTS[:4] + DOUBLES[:8] + BOOLEANS + STRINGS,
}
SCALAR_NAMES = {name: value for name, value in vars(s).items() if callable(value)}


def _arities(op: Op) -> range:
    return range(1, 4) if op.variadic else range(len(op.params), len(op.params) + 1)


def _templates(op: Op) -> Iterator[tuple[str, list[Any], tuple[Type, ...]]]:
    """Every template of the operator with all values for which it is written."""
    assert op.scalar is not None
    for arity in _arities(op):
        for value_types in itertools.product(NASTY, repeat=arity):
            for values in itertools.product(*(NASTY[v][: None if arity < 3 else 3] for v in value_types)):
                known = [type_of(v) for v in values]
                plain = [scalar(v) for v in value_types]
                for types in {tuple(plain), (*plain[:-1], known[-1])}:
                    template = op.scalar(*types) if _accepts(op, types) else None
                    if template is not None:
                        yield template, list(values), types


_ACCEPTED: dict[tuple[str, tuple[Type, ...]], bool] = {}


def _accepts(op: Op, types: tuple[Type, ...]) -> bool:
    key = (op.name, types)
    if key not in _ACCEPTED:
        try:
            op.infer(*types)
            _ACCEPTED[key] = all(op.param(at).accepts_type(t) for at, t in enumerate(types))
        except OperationError:
            _ACCEPTED[key] = False
    return _ACCEPTED[key]


def _outcome(compute: Callable[[], Any]) -> Any:
    """A value that tells all scalars apart, but NaN from NaN, or the fact that it fails."""
    try:
        value = compute()
    except OperationError:
        return "fails"
    return type(value).__name__, repr(value)


@each([op for op in OPERATORS if op.scalar is not None])
def test_python_code_for_scalars_means_the_same_as_the_kernel(op):
    compiled: dict[str, Any] = {}
    for template, values, types in _templates(op):
        code = compiled.setdefault(template, compile(template.format("x0", "x1", "x2"), op.name, "eval"))
        names = {f"x{at}": v for at, v in enumerate(values)}

        def run(code: Any = code, names: Any = names) -> Any:
            value = eval(code, SCALAR_NAMES | names)
            return s.check_number(value) if op.has(Trait.OVERFLOWS) and not isinstance(value, bool) else value

        expected = _outcome(lambda values=values: apply(op, values))
        assert _outcome(run) == expected, (template, values, types)


@each([op for op in OPERATORS if op.scalar is not None])
def test_types_of_scalars_follow_from_their_types(op):
    for arity in _arities(op):
        for value_types in itertools.product(NASTY, repeat=arity):
            types = tuple(scalar(v) for v in value_types)
            if not _accepts(op, types):
                continue
            for values in itertools.product(*(NASTY[v][:8] for v in value_types)):
                try:
                    result = apply(op, list(values))
                except OperationError:
                    continue
                assert agrees(result, op.infer(*types)), (types, values)


# ---- traits ----


@each(having(Trait.COMMUTATIVE))
def test_commutative(sample):
    a, b = sample.values()
    if (1, 1) in (np.shape(a), np.shape(b)):
        pytest.skip("a 1x1 matrix may stand on the right only")
    if isinstance(apply(sample.op, [a, b]), str):
        return
    assert same(apply(sample.op, [a, b]), apply(sample.op, [b, a]))


@each(having(Trait.ASSOCIATIVE))
def test_associative(sample):
    a, b = sample.values()
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return
    for c in (np.ones((b.shape[1], 2)), np.full((b.shape[1], 1), 0.5), np.ones((b.shape[1], 0))):
        left = apply(sample.op, [apply(sample.op, [a, b]), c])
        right = apply(sample.op, [a, apply(sample.op, [b, c])])
        assert same(left, right, 1e-12)


@each(having(Trait.ZERO_PRESERVING))
def test_zero_preserving(sample):
    def zero(value: Any) -> Any:
        return np.zeros_like(value) if isinstance(value, np.ndarray) else type(value)(0)

    values = [v if isinstance(v, str) or v is None else zero(v) for v in sample.values()]
    try:
        assert np.all(np.asarray(apply(sample.op, values)) == 0)
    except OperationError:
        assert all(isinstance(v, int) for v in values)


@each(having(Trait.CELLWISE))
def test_cellwise(sample):
    """Moving cells around before or after is the same."""
    values = sample.values()
    shapes = {v.shape for v in values if isinstance(v, np.ndarray)}
    if len(shapes) != 1:
        return
    (rows, cols) = shapes.pop()
    places = np.random.default_rng(1).permutation(rows * cols)

    def moved(value: Any) -> Any:
        return value.ravel()[places].reshape(rows, cols) if isinstance(value, np.ndarray) else value

    assert same(apply(sample.op, [moved(v) for v in values]), moved(apply(sample.op, values)))


@each(having(Trait.AGGREGATE))
def test_aggregates_of_one_row_or_column_or_all(sample):
    """Aggregates do not give a matrix that is larger than all of their arguments in both directions."""
    result = sample.result()
    if isinstance(result, np.ndarray) and sample.op.family == "aggregate":
        assert 1 in result.shape


# ---- gradients ----

SPREAD = 0.03  # away from the points where functions have corners


def _reduced(gradient: Any, to: Any) -> Any:
    """The gradient of a value that was stretched: the sum over its copies."""
    gradient = np.asarray(gradient, dtype=float)
    if not isinstance(to, np.ndarray):
        return np.sum(gradient)
    for axis in (0, 1):
        if to.shape[axis] == 1:
            gradient = np.sum(gradient, axis=axis, keepdims=True)
    return gradient


def _smooth(value: Any, noise: np.random.Generator) -> Any:
    if isinstance(value, np.ndarray):
        return value + SPREAD * (noise.random(value.shape) + 0.2)
    return value + SPREAD if isinstance(value, float) else value


def _rule(op: Op, key: str, values: list[Any]) -> str | None:
    text = op.gradient[key]
    return text(*map(full_type, values)) if callable(text) else text


def _rules(op: Op, values: list[Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The gradients that the record has for such arguments, each with the names of the parameters that it is for."""
    if op.variadic and len(values) > 1:
        keys = ("left", "right") if len(values) == 2 else ()
    else:
        keys = tuple(key for key in op.gradient if not (op.variadic and key in ("left", "right")))
    for key in keys:
        text = _rule(op, key, values)
        if text is not None:
            yield tuple(key.split(", ")), text


def _names(op: Op, count: int) -> list[str]:
    return ["left", "right"] if op.variadic and count == 2 else [p.name for p in op.params]


def _is_number(value: Any) -> bool:
    return isinstance(value, np.ndarray | float)


def _differentiable(sample: Sample) -> bool:
    """Is there a gradient by a number, and are all of them finite and of moderate size?"""
    values = sample.values()
    names = _names(sample.op, len(values))
    numbers = [v for v in values if _is_number(v)]
    by = [values[names.index(name)] for keys, _ in _rules(sample.op, values) for name in keys]
    return any(map(_is_number, by)) and all(np.size(v) > 0 and np.all(np.abs(v) < 1e6) for v in numbers)


def _gradient_samples() -> list[Any]:
    return [pytest.param(x, id=str(x)) for x in REPEATABLE if x.op.gradient and _differentiable(x)]


def _central_difference(compute: Callable[[Any], float], at: Any) -> Any:
    if not isinstance(at, np.ndarray):
        step = 1e-6 * max(1.0, abs(at))
        return (compute(at + step) - compute(at - step)) / (2 * step)
    result = np.empty_like(at)
    for place in np.ndindex(at.shape):
        step = 1e-6 * max(1.0, abs(at[place]))
        up, down = at.copy(), at.copy()
        up[place] += step
        down[place] -= step
        result[place] = (compute(up) - compute(down)) / (2 * step)
    return result


@pytest.mark.parametrize("sample", _gradient_samples())
def test_gradient_agrees_with_differences(sample):
    op = sample.op
    noise = np.random.default_rng(7)
    values = convert(op, [_smooth(v, noise) for v in sample.values()])
    result = apply(op, values)
    outs = result if op.outputs else (result,)
    tried = {
        f"d{name}" for name in op.outputs if any(f"d{name}" in text.split("(", 1)[-1] for _, text in _rules(op, values))
    }
    douts = [_weights(out, noise) for out in outs]
    variables = {"dout": douts[0], "ddout": douts[0], "out": outs[0]}
    variables |= dict(zip(_names(op, len(values)), values, strict=False))
    for name, out, dout in zip(op.outputs, outs, douts, strict=True) if op.outputs else ():
        variables |= {name: out, f"d{name}": dout}
    weighed = [0, *(at for at, name in enumerate(op.outputs) if at and f"d{name}" in tried)]

    def loss(x: Any, at: int) -> float:
        found = apply(op, [*values[:at], x, *values[at + 1 :]])
        found = found if op.outputs else (found,)
        return float(sum(np.sum(douts[k] * found[k]) for k in weighed))

    for names, text in _rules(op, values):
        derivatives = evaluate(parse(text), variables) if text != "0" else 0
        for name, derivative in zip(names, derivatives if len(names) > 1 else (derivatives,), strict=True):
            at = _names(op, len(values)).index(name)
            if not _is_number(values[at]):
                continue
            found = _reduced(derivative if text != "0" else 0 * values[at], values[at])
            expected = np.asarray(_central_difference(partial(loss, at=at), values[at]))
            inside = np.isfinite(expected)  # of the domain of the function
            size = max(1.0, float(np.max(np.abs(expected[inside]), initial=0.0)))
            message = f"{sample}: d{name} = {text}"
            assert found.shape == expected.shape, message
            np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-6, atol=1e-6 * size, err_msg=message)


def _weights(out: Any, noise: np.random.Generator) -> Any:
    return noise.standard_normal(out.shape) if isinstance(out, np.ndarray) else 1.7


@each([op for op in OPERATORS if op.gradient])
def test_gradient_is_tried(op):
    tried = [x for x in REPEATABLE if x.op is op and _differentiable(x)]
    found = {names for x in tried for names, _ in _rules(op, x.values())}
    assert found == {tuple(key.split(", ")) for key in op.gradient}


@each(having(Trait.STEPS))
def test_steps_are_flat(sample):
    """Between the steps the derivative is zero, so that there is no gradient to write down."""
    assert not sample.op.gradient
    noise = np.random.default_rng(7)
    values = convert(sample.op, [_smooth(v, noise) for v in sample.values()])
    result = apply(sample.op, values)
    for at, value in enumerate(values):
        if isinstance(value, np.ndarray | float) and not sample.op.name.startswith("bitw"):
            step = np.where(np.isfinite(value), 1e-9 * (np.abs(value) + 1), 0.0)
            moved = value + (step if isinstance(value, np.ndarray) else float(step))
            near = apply(sample.op, [*values[:at], moved, *values[at + 1 :]])
            assert same(result, near), sample


# ---- definitions ----


@each([x for x in REPEATABLE if x.op.definition])
def test_definition_means_the_same_as_the_kernel(sample):
    values = sample.values()
    names = {p.name: v for p, v in zip(sample.op.params, values, strict=True)}
    assert same(evaluate(parse(sample.op.definition), names), apply(sample.op, values), 1e-12)


def test_arguments_bind_by_name_in_any_order():
    op = REGISTRY["matrix"]
    assert bind(op, ["cols", None, "rows"], [3, 0, 2]) == [0, 2, 3, True]
    with pytest.raises(SizeError):
        apply(op, [np.ones((2, 2)), 3, 3, True])


def test_kinds_without_values_have_no_known_value():
    assert all(full_type(v).known is None for v in (None, ListValue([1]), np.ones((1, 1))))
    assert full_type((1, 2.0)).kind is Kind.TUPLE
