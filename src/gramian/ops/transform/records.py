"""The operators of transform specifications."""

from __future__ import annotations

from gramian.errors import SizeError
from gramian.ir.op import Effect, Trait, define, missing
from gramian.ir.types import Type, frame, matrix, results
from gramian.ops.transform.decode import categorical_mask, column_map, decode
from gramian.ops.transform.encode import apply, encode
from gramian.ops.transform.specification import Specification, output_cols, parse
from gramian.ops.transform.stored import read_stored


def _known(spec: Type, cols: int | None) -> Specification | None:
    """The specification, checked as far as it can be, if its text is known."""
    if not isinstance(spec.value, str):
        return None
    found = parse(spec.value)
    found.check_cols(cols)
    return found


def _matrix_type(target: Type, spec: Type, embedding_cols: int | None = None) -> Type:
    found = _known(spec, target.cols)
    if found is None:
        return matrix()
    return matrix(None if found.omits else target.rows, output_cols(found, target.cols, embedding_cols))


def _encode_type(target: Type, spec: Type) -> Type:
    return results(_matrix_type(target, spec), frame(None, target.cols))


def _apply_type(target: Type, spec: Type, meta: Type, embedding: Type) -> Type:
    if None not in (target.cols, meta.cols) and target.cols != meta.cols:
        raise SizeError(
            f"transformapply() gets {target.describe()} and metadata in {meta.describe()}",
            "both have the columns of the frame that was encoded",
        )
    return _matrix_type(target, spec, None if missing(embedding) else embedding.cols)


def _decode_type(target: Type, spec: Type, meta: Type) -> Type:
    _known(spec, meta.cols)
    return frame(target.rows, meta.cols)


def _column_map_type(target: Type, spec: Type) -> Type:
    _known(spec, target.cols)
    return matrix(target.cols, 3)


def _mask_type(target: Type, spec: Type) -> Type:
    found = _known(spec, target.cols)
    return matrix(1, None if found is None else output_cols(found, target.cols, None))


def _stored_type(spec: Type, transform_path: Type) -> Type:
    _known(spec, None)
    return frame()


_NUMBERS = 'as.frame(matrix("3 1 NaN 3 2 5", 3, 2))'
_TEXTS = 'cbind(frame("a", 3, 1), frame("Two words", 3, 1))'
_META = 'as.frame(matrix("1 2", 1, 2))'
_MAP = 'cbind(rbind(frame("b·2", 1, 1), frame("a·1", 1, 1)), frame("0·4", 2, 1))'

define(
    "transformencode(target: frame, spec: string)",
    _encode_type,
    encode,
    "a frame as a matrix, encoded as a specification in JSON says, and a metadata frame with what was learned from it",
    family="transform",
    traits=(Trait.CALLS,),
    outputs=("X", "M"),
    samples=(
        f'{_NUMBERS}, "{{}}"',
        f'{_NUMBERS}, "{{ids: true, recode: [1], dummycode: [1]}}"',
        f'{_NUMBERS}, "{{ids: true, omit: [2], bin: [{{id: 1, method: equi-width, numbins: 2}}]}}"',
        f'{_NUMBERS}, "{{recode: [C2], impute: [{{name: C1, method: global_mean}}]}}"',
        f'{_TEXTS}, "{{ids: true, hash: [1], K: 5, bag_of_words: [2]}}"',
        'frame("a", 0, 2), "{ids: true, dummycode: [1], hash: [2], K: 3}"',
    ),
)
define(
    "transformapply(target: frame, spec: string, meta: frame, embedding: matrix = missing)",
    _apply_type,
    apply,
    "a frame as a matrix, encoded with what an earlier transformencode() learned; NaN or zeros for unknown categories",
    family="transform",
    traits=(Trait.CALLS,),
    samples=(
        f'{_NUMBERS}, "{{}}", {_META}',
        f'{_TEXTS}, "{{ids: true, dummycode: [1], hash: [2], K: 3}}", {_MAP.replace("0·4", "3")}',
        f'cbind(frame("b", 2, 1), frame(3, 2, 1)), "{{ids: true, recode: [1], bin: [{{id: 2}}]}}", {_MAP}',
        f'{_TEXTS}, "{{ids: true, word_embedding: [1], hash: [2], K: 3}}", '
        f'{_MAP.replace("0·4", "3")}, matrix("1 2 3 4 5 6", 2, 3)',
    ),
)
define(
    "transformdecode(target: matrix, spec: string, meta: frame)",
    _decode_type,
    decode,
    "the frame that an encoded matrix stands for: categories, the middle of bins, and numbers as they are",
    family="transform",
    samples=(
        f'matrix("2 1 7 1 NaN 0", 3, 2), "{{ids: true, recode: [1], bin: [{{id: 2}}]}}", {_MAP}',
        f'matrix("0 1 5 1 0 NaN 0 0 1", 3, 3), "{{ids: true, dummycode: [1]}}", {_MAP}',
        f'matrix(0, 0, 2), "{{}}", {_META}',
    ),
)
define(
    "transformcolmap(target: frame, spec: string)",
    _column_map_type,
    column_map,
    "for each column of an encoded frame, by its metadata: its number, and its first and last column in the matrix",
    family="transform",
    samples=(f'{_MAP}, "{{ids: true, dummycode: [1]}}"', f'{_META}, "{{ids: true, hash: [1], K: 1, dummycode: [1]}}"'),
)
define(
    "getCategoricalMask(target: frame, spec: string)",
    _mask_type,
    categorical_mask,
    "1 for columns of the encoded matrix that stand for categories, else 0, as a row, by the metadata",
    family="transform",
    samples=(f'{_MAP}, "{{ids: true, dummycode: [1]}}"', f'{_META}, "{{}}"'),
)
define(
    "transformmeta(spec: string, transformPath: string)",
    _stored_type,
    read_stored,
    "the metadata frame of an encoding that SystemML stored in a folder of small files",
    family="transform",
    effect=Effect.ORDERED,
)
