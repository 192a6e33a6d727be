"""Cambricon (ISCA 2016): instruction set, assembler, encoding, two simulators, compiler; left out: interrupts, caches.

    isa           43 instructions in one table: operands, regions, meaning
    arithmetic    16-bit fixed point, rounded half to even once
    program       words of operands        assembler    text and back        encoding    64 bits and back
    functional    what a program computes  timed        when, cycle by cycle     engines   beats of the units
    trace         a line an instruction    lockstep     many examples at once
    compiler      a network of `ir` to a program           networks     the paper's ten

The cost family is `hw.families.vector_matrix`, the machine `hw.machines.cambricon`, and `emulation.vector_matrix` runs
networks on it layer by layer.
Paper     Liu et al., "Cambricon: an instruction set architecture for neural networks", ISCA 2016,
          https://doi.org/10.1109/ISCA.2016.42
"""
