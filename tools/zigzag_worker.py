"""Runs zigzag-dse itself; started with the Python of an environment that has it, knows nothing of Lamina.

Reads JSON on stdin. {workload: YAML} is answered by {valid, layers: [{name, macs, inputs}]} as ZigZag's own validator
and factory see the workload; with a `machine` (a file of its inputs/hardware) by {energy_pJ, cycles} too, from its cost
model. {yaml: [texts]} is answered by the texts' values.
"""

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

import yaml


def seen(text: str) -> dict:
    """The workload as ZigZag's parser takes it."""
    import zigzag
    from zigzag.parser.workload_factory import WorkloadFactory
    from zigzag.parser.workload_validator import WorkloadValidator

    validator = WorkloadValidator(yaml.safe_load(text))
    if not validator.validate():
        return {"valid": False, "errors": str(validator.validator.errors)}
    mapping = yaml.safe_load((Path(zigzag.__file__).parent / "inputs" / "mapping" / "default.yaml").read_text())
    mapping = [{"spatial_mapping_hint": None, "temporal_ordering": None, **entry} for entry in mapping]
    workload = WorkloadFactory(validator.normalized_data, mapping).create()
    layers = [
        {
            "name": node.name,
            "macs": int(node.total_mac_count),
            "inputs": int(node.operand_size_elem[next(o for o in node.layer_operands if str(o) == "I")]),
            "sources": {str(operand): source for operand, source in node.input_operand_source.items()},
        }
        for node in workload.topological_sort()
    ]
    return {"valid": True, "layers": layers}


def costed(text: str, machine: str) -> dict:
    """Energy and latency of ZigZag's cost model on one of its own machines."""
    import zigzag
    from zigzag.api import get_hardware_performance_zigzag

    inputs = Path(zigzag.__file__).parent / "inputs"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workload.yaml"
        path.write_text(text)
        energy, cycles, _ = get_hardware_performance_zigzag(
            str(path),
            str(inputs / "hardware" / f"{machine}.yaml"),
            str(inputs / "mapping" / f"{machine}.yaml"),
            dump_folder=folder,
            loma_show_progress_bar=False,
            lpf_limit=4,
            nb_spatial_mappings_generated=1,
        )
    return {"energy_pJ": float(energy), "cycles": float(cycles)}


def main() -> None:
    given = json.load(sys.stdin)
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        if "yaml" in given:
            answer = [yaml.safe_load(text) for text in given["yaml"]]
        else:
            answer = seen(given["workload"])
            if "machine" in given:
                answer |= costed(given["workload"], given["machine"])
    json.dump(answer, sys.stdout)


main()
