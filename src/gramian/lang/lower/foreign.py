"""What people from R, Python or MATLAB write for a value or function, and what DML has instead, as hints."""

from __future__ import annotations

_MISSING = "DML has no missing value for scalars and matrices; use NaN"
VALUES = {
    **dict.fromkeys(("T", "true", "True"), "the truth values are TRUE and FALSE"),
    **dict.fromkeys(("F", "false", "False"), "the truth values are TRUE and FALSE"),
    **dict.fromkeys(("inf", "INF", "Infinity"), "infinity is written Inf"),
    **dict.fromkeys(("nan", "NAN"), "not-a-number is written NaN"),
    **dict.fromkeys(("NA", "NULL", "None", "null", "nil"), _MISSING),
    **dict.fromkeys(("PI", "Pi"), "the number is written pi"),
}

FUNCTIONS = {
    "c": 'write out a vector as matrix("1 2 3", rows=3, cols=1), or put values together with rbind() or list()',
    "vector": "a vector is a matrix of one column: matrix(0, rows=n, cols=1)",
    "array": 'write matrix("1 2 3 4", rows=2, cols=2)',
    "zeros": "write matrix(0, rows=n, cols=m)",
    "ones": "write matrix(1, rows=n, cols=m)",
    "eye": "write diag(matrix(1, rows=n, cols=1))",
    "dim": "use nrow() and ncol()",
    "shape": "use nrow() and ncol()",
    "size": "use nrow(), ncol() or length()",
    "len": "use length(), or nrow() for rows",
    "rows": "use nrow()",
    "cols": "use ncol()",
    "dot": "use %*% for the matrix product",
    "matmul": "use %*% for the matrix product",
    "transpose": "use t()",
    "apply": "use row and column functions such as rowSums(), or a for loop",
    "paste": "text is joined by +",
    "cat": "use print() and join text with +",
    "printf": 'use print("%d %s", a, b)',
    "str": "use toString()",
    "float": "use as.double()",
    "int": "use as.integer()",
    "std": "use sd()",
    "pow": "write a ^ b",
    "concat": "use rbind() or cbind(), or + for text",
    "which": 'use removeEmpty(target=seq(1, nrow(x)), margin="rows", select=x > 0)',
    "error": "use stop()",
    "raise": "use stop()",
    "federated": "gramian does not run federated computations",
    "tensor": "gramian has matrices only: use one with the further dimensions in its columns",
    "sql": "query the database outside and read its result with read()",
    "autoDiff": "gramian has no derivatives from traces",
    "interQuantile": "it never worked upstream; use quantile() and removeEmpty()",
    "range": "it never worked upstream; use min() and max()",
    "require": 'load functions by source("file.dml") as name',
}
