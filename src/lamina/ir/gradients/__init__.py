"""Gradients as operations: what the operator table's `gradient` fields are made of, one family a file.

    given  dL/dy of an operator's results        returned  dL/dx of its inputs, emitted into the builder that holds it

A gradient is written once, in the operators of the table, so that a training step is a network like any other: it
prints, runs in the interpreter, is costed and exported. `ir.backward` walks a network with these; this folder imports
nothing of the table, which imports it.
"""
