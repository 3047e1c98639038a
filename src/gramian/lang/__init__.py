"""Front ends: scripts become one syntax tree, then a typed Program."""
