"""The intermediate representation: types, operator records, interned nodes, programs, and their text form."""
