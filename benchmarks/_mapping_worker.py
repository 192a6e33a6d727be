"""Runs zigzag-dse itself; started by mapping.py with the Python of .venv-zigzag, knows nothing of Lamina.

Reads JSON on stdin: the layers of a workload, and mappings by their names. Without mappings ZigZag searches for
latency, with its own mapping file; with them its cost model evaluates them as they are: the spatial part through
ZigZag's mapping file, the temporal part loop by loop and level by level. Writes seconds (of the clock and of the
processor), total energy and cycles, and each layer's. The one change in ZigZag is a stage that hands the given temporal
mapping on.
"""

import contextlib
import io
import json
import logging
import sys
import tempfile
import time
from pathlib import Path

import yaml


def run(given):
    import zigzag
    from zigzag.mapping.temporal_mapping import TemporalMappingType
    from zigzag.stages.evaluation.cost_model_evaluation import CostModelStage
    from zigzag.stages.main import MainStage
    from zigzag.stages.mapping.spatial_mapping_generation import SpatialMappingGeneratorStage
    from zigzag.stages.mapping.temporal_mapping_generator_stage import TemporalMappingGeneratorStage
    from zigzag.stages.parser.accelerator_parser import AcceleratorParserStage
    from zigzag.stages.parser.workload_parser import WorkloadParserStage
    from zigzag.stages.results.reduce_stages import MinimalLatencyStage
    from zigzag.stages.workload_iterator import WorkloadStage

    inputs = Path(zigzag.__file__).parent / "inputs"
    fixed = given["mappings"]
    stages = [
        WorkloadParserStage,
        AcceleratorParserStage,
        WorkloadStage,
        MinimalLatencyStage,
        SpatialMappingGeneratorStage,
        MinimalLatencyStage,
        as_given(fixed) if fixed else TemporalMappingGeneratorStage,
        CostModelStage,
    ]
    with tempfile.TemporaryDirectory() as folder:
        workload, mapping = Path(folder) / "workload.yaml", Path(folder) / "mapping.yaml"
        workload.write_text(yaml.safe_dump(given["layers"], sort_keys=False))
        entries = yaml.safe_load((inputs / "mapping" / f"{given['machine']}.yaml").read_text())
        mapping.write_text(yaml.safe_dump([*entries, *spatial_entries(fixed)], sort_keys=False))
        start, busy = time.perf_counter(), time.process_time()
        stage = MainStage(
            stages,
            accelerator=str(inputs / "hardware" / f"{given['machine']}.yaml"),
            workload=str(workload),
            mapping=str(mapping),
            loma_lpf_limit=6,
            loma_show_progress_bar=False,
            nb_mappings_generated=3,
            enable_mix_spatial_mapping_generation=False,
            enable_weight_diagonal_mapping=False,
            dump_folder=folder,
            temporal_mapping_type=TemporalMappingType.UNEVEN,
        )
        found = [cme for cme, _ in stage.run()]
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
    layers = [
        {
            "id": cme.layer.id,
            "loops": cme.ideal_temporal_cycle,
            "stall": cme.stall_slack_comb,
            "filling": cme.data_onloading_cycle,
            "emptying": cme.data_offloading_cycle,
            "drain": cme.systolic_drain_cycle,
            "cycles": cme.latency_total2,
            "energy_pj": cme.energy_total,
        }
        for cme in found
    ]
    return {
        "seconds": seconds,
        "busy_s": busy,
        "cycles": sum(layer["cycles"] for layer in layers),
        "energy_pj": sum(layer["energy_pj"] for layer in layers),
        "layers": sorted(layers, key=lambda layer: layer["id"]),
    }


def spatial_entries(fixed):
    """One entry of the mapping file for each layer that is given."""
    links = {"O": "O", "W": "I2", "I": "I1"}
    return [
        {"name": name, "spatial_mapping": mapping["spatial"], "memory_operand_links": links}
        for name, mapping in fixed.items()
    ]


def as_given(fixed):
    """A stage that hands on the temporal mapping of the layer's name."""
    from zigzag.datatypes import LayerDim, LayerOperand
    from zigzag.mapping.temporal_mapping import TemporalMapping, TemporalMappingType
    from zigzag.stages.stage import Stage

    class Given(Stage):
        def __init__(self, list_of_callables, *, layer, **kwargs):
            super().__init__(list_of_callables, **kwargs)
            self.layer = layer

        def run(self):
            levels = {
                LayerOperand(operand): [[(LayerDim(loop), size) for loop, size in level] for level in parts]
                for operand, parts in fixed[self.layer.name]["temporal"].items()
            }
            temporal = TemporalMapping(levels, self.layer, TemporalMappingType.UNEVEN)
            rest = {**self.kwargs, "layer": self.layer, "temporal_mapping": temporal}
            yield from self.list_of_callables[0](self.list_of_callables[1:], **rest).run()

    return Given


def main():
    given = json.load(sys.stdin)
    logging.disable(logging.CRITICAL)
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet):
        answer = run(given)
    json.dump(answer, sys.stdout)


main()
