"""Cambricon (ISCA 2016): its instruction set, assembler, encoding and simulators."""
