"""Layer tables that papers measured their machines on, as loop nests without weights. The folder is the registry.

A file has one function per table, named after the file or the network, that returns `list[Layer]`; sizes come from the
paper that its docstring names. Networks whose numbers matter are models; these only have sizes.
"""
