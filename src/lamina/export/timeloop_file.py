"""Timeloop problems: one YAML file a layer, version 0.4, and a table of how often each runs.

    dimensions   N G M C P Q R S         instance: their sizes
    Weights      [G][M][C][R][S]
    Inputs       [N][G][C][P·Hstride + R·Hdilation][Q·Wstride + S·Wdilation]      the padded input
    Outputs      [N][G][M][P][Q]                                                  read and written

Timeloop costs one problem in a run and knows no repetition: a layer of a scan is one file, and `layers.csv` says how
often it runs. Layers that multiply nothing are named in the table's last lines; transposed convolutions are refused.

Source    Timeloop's problem specification (input format v0.4); Parashar et al., Timeloop, ISPASS 2019
"""

from pathlib import Path

from lamina.core import files
from lamina.export._workload import file_name, left_out, workload
from lamina.ir.layer import Layer
from lamina.ir.network import Network

SHAPE = """\
  shape:
    name: Nest
    dimensions: [N, G, M, C, P, Q, R, S]
    coefficients:
    - {name: Hstride, default: 1}
    - {name: Wstride, default: 1}
    - {name: Hdilation, default: 1}
    - {name: Wdilation, default: 1}
    data_spaces:
    - name: Weights
      projection: [[[G]], [[M]], [[C]], [[R]], [[S]]]
    - name: Inputs
      projection: [[[N]], [[G]], [[C]], [[P, Hstride], [R, Hdilation]], [[Q, Wstride], [S, Wdilation]]]
    - name: Outputs
      projection: [[[N]], [[G]], [[M]], [[P]], [[Q]]]
      read_write: true
"""


def timeloop(network: Network, folder: Path) -> list[Path]:
    """Write the problems of `network` and their table into `folder`; raises `Unsupported` for what is no such nest."""
    work = workload(network, "Timeloop")
    written, rows = [], ["file,layer,operator,times,macs"]
    for number, (_, layer) in enumerate(work.layers):
        path = folder / f"{number:03d}-{file_name(layer.name)}.yaml"
        files.write(path, problem(layer).encode())
        written.append(path)
        rows.append(f"{path.name},{layer.name},{layer.operator},{layer.repeats},{layer.macs}")
    rows += [f"# {line}" for line in left_out(work)]
    files.write(folder / "layers.csv", ("\n".join(rows) + "\n").encode())
    return [*written, folder / "layers.csv"]


def problem(layer: Layer) -> str:
    """The text of one problem."""
    sizes = {
        "N": layer.n, "G": layer.groups, "M": layer.k, "C": layer.c, "P": layer.p, "Q": layer.q, "R": layer.r,
        "S": layer.s, "Hstride": layer.stride[0], "Wstride": layer.stride[1], "Hdilation": layer.dilation[0],
        "Wdilation": layer.dilation[1],
    }  # fmt: skip
    instance = "".join(f"    {name}: {size}\n" for name, size in sizes.items())
    times = f", {layer.repeats} times" if layer.repeats > 1 else ""
    return f"# layer {layer.name} ({layer.operator}{times})\nproblem:\n  version: 0.4\n{SHAPE}  instance:\n{instance}"
