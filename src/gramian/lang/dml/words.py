"""The vocabulary of DML, and what people write who come from other languages: tables for lexer and parser."""

from __future__ import annotations

from typing import NamedTuple

TYPE_WORDS = frozenset(
    name for word in ("int", "integer", "double", "boolean", "string", "unknown") for name in (word, word.capitalize())
)
DATA_TYPES = {name: word for word in ("matrix", "frame", "list", "scalar") for name in (word, word.capitalize())}
RESERVED = frozenset(
    (
        *("source", "as", "setwd", "ifdef", "if", "else", "for", "in", "parfor", "while"),
        *("function", "return", "externalFunction", "implemented"),
    )
)
DOTTED_NAMES = frozenset(
    (
        *("as.scalar", "as.matrix", "as.frame", "as.list", "as.double", "as.integer", "as.logical", "as.boolean"),
        *("is.na", "is.nan", "is.infinite", "index.return", "empty.return", "lower.tail", "lower.tri", "upper.tri"),
        "na.strings",
    )
)

ASSIGNMENTS = frozenset(("=", "<-", "+="))

# How tightly the binary operators bind. `PREFIX_LEVELS` shares the scale: a prefix operator swallows the operators
# of its own level or tighter, whatever stands in front of it.
BINARY_LEVELS = {
    operator: level
    for level, operators in (
        (1, "| ||"),
        (2, "& &&"),
        (4, "> >= < <= == !="),
        (5, "+ -"),
        (6, "* /"),
        (7, "%/% %%"),
        (8, "%*%"),
        (10, "^"),
    )
    for operator in operators.split()
}
PREFIX_LEVELS = {"!": 3, "-": 9, "+": 9}

ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "'": "'", "\\": "\\"}


class Foreign(NamedTuple):
    """An operator of another language: the DML operator to go on with (None: there is none) and a hint."""

    meant: str | None
    hint: str


_UPDATE = "write the operation out, as in x = x {0} 1"
FOREIGN_OPERATORS = {
    "@": Foreign("%*%", "use %*% for the matrix product"),
    "**": Foreign("^", "use ^ for powers"),
    "<>": Foreign("!=", "use != for 'not equal'"),
    "!==": Foreign("!=", "use != for 'not equal'"),
    "===": Foreign("==", "use == to compare"),
    "=<": Foreign("<=", "use <= for 'less or equal'"),
    "=>": Foreign(">=", "use >= for 'greater or equal'"),
    "-=": Foreign("+=", _UPDATE.format("-") + "; only += exists"),
    "*=": Foreign("+=", _UPDATE.format("*") + "; only += exists"),
    "/=": Foreign("+=", _UPDATE.format("/") + "; only += exists"),
    "^=": Foreign("+=", _UPDATE.format("^") + "; only += exists"),
    ":=": Foreign("=", "use = to assign"),
    "<<-": Foreign("<-", "use = to assign; functions cannot assign to variables outside of them"),
    "->": Foreign(None, "write the target on the left, as in x = 3"),
    "->>": Foreign(None, "write the target on the left, as in x = 3"),
    "//": Foreign(None, "a comment starts with #; the integer division is %/%"),
    "|>": Foreign(None, "write a call around the value, as in f(x)"),
    "%": Foreign("%%", "the remainder is %%, the integer division %/%, the matrix product %*%"),
    "~": Foreign(None, "DML has no formulas; 'not' is !"),
    "?": Foreign(None, "use ifelse(condition, a, b), or if (condition) ... else ..."),
    "\\": Foreign(None, "a statement may go on in the next line without any mark"),
    "::": Foreign(None, "write namespace::function without blanks around '::'"),
    "$": Foreign(None, "a script parameter is written $name or $1, without a blank"),
    "`": Foreign(None, "names consist of letters, digits and underscores; strings stand in double or single quotes"),
    "%in%": Foreign(None, "DML has no %in%; compare with == and sum"),
    "%o%": Foreign(None, 'use outer(u, v, "*")'),
}

# Characters that look like ASCII, as word processors and web pages produce them.
LOOKALIKES = {"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=", "←": "<-"}

# Names without a meaning in DML that read like an operator or a statement.
FOREIGN_WORDS = {
    "and": "use & for 'and'",
    "or": "use | for 'or'",
    "not": "use ! for 'not'",
    "mod": "use %% for the remainder",
    "div": "use %/% for the integer division",
    "break": "put the condition into a while loop",
    "next": "put the rest of the body into an if",
    "continue": "put the rest of the body into an if",
    "repeat": "use while (TRUE) or a condition",
    "then": "the body follows the condition directly",
    "do": "the body follows the condition directly",
    "pass": "an empty block is written {}",
    "elseif": "write 'else if' as two words",
    "elif": "write 'else if' as two words",
    "elsif": "write 'else if' as two words",
    "def": "define a function by f = function(matrix[double] X) return (double y) { ... }",
    "library": 'load functions by source("file.dml") as name',
    "import": 'load functions by source("file.dml") as name',
}
ELSE_IF_WORDS = frozenset(("elseif", "elif", "elsif"))

FOREIGN_TYPES = {
    "float": "double",
    "real": "double",
    "num": "double",
    "number": "double",
    "numeric": "double",
    "long": "int",
    "short": "int",
    "bool": "boolean",
    "logical": "boolean",
    "str": "string",
    "text": "string",
    "char": "string",
    "character": "string",
    "any": "unknown",
    "object": "unknown",
    "vector": "matrix[double]",
    "array": "matrix[double]",
    "tensor": "matrix[double]",
    "dict": "list[unknown]",
    "dataframe": "frame[unknown]",
}

# Dotted functions of R, by what DML calls them.
FOREIGN_DOTTED = {
    "as.numeric": "as.double",
    "as.vector": "as.matrix",
    "as.data.frame": "as.frame",
    "as.character": "toString",
    "data.frame": "frame",
    "is.finite": "is.infinite",
    "which.max": "rowIndexMax",
    "which.min": "rowIndexMin",
}
