"""How results look to people: one function per result type, in the module named like the op's."""
