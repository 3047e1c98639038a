"""The DML front end: from the text of a script to the syntax tree of `gramian.lang.tree`.

`lexer` makes tokens, `parser` offers `parse` and `parse_expression`; the other modules are the parts of the parser.
"""

from gramian.lang.dml.parser import parse, parse_expression

__all__ = ["parse", "parse_expression"]
