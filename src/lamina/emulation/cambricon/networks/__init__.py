"""The paper's ten benchmark networks; left out: training. A file is a network.

`network(seed)` builds it, `inputs(network, seed)` are numbers to run it on. Sizes are the paper's; weights are random,
scaled so that values stay inside Q6.10. Each is written once, as a network of `ir` in the machine's fixed point; the
interpreter says what its results are, the compiler makes the program.
"""
