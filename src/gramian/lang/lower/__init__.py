"""From the syntax tree to a typed Program: names, types, functions and files are resolved, all errors collected."""

from gramian.lang.lower.program import lower as lower
