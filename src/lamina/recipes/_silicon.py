"""The stages that leave torch: quantise and lower, cost, emulate.

lower     network.lamina (the integer network, then the float one), network.safetensors
cost      layers.csv, and the table in its marker
emulate   outputs of each machine's own arithmetic on test examples, in its marker
"""

from collections.abc import Sequence
from typing import Any

from lamina.core import files
from lamina.core.units import si
from lamina.recipes._stages import Done
from lamina.recipes._work import Work

NETWORK, WEIGHTS, LAYERS = "network.lamina", "network.safetensors", "layers.csv"


def lower(work: Work) -> Done:
    """The final weights as two networks: in integers, and in float."""
    from lamina.ir import store
    from lamina.lowering import lower as lower_module

    shape, name = work.module.INPUT_SHAPE, work.config.model
    quantised = work.integer_model()
    integer = lower_module(quantised, input_shape=shape, name=f"{name}_int{work.config.bits}")
    float_ = lower_module(work.model("weights.safetensors"), input_shape=shape, name=name)
    store.save([integer, float_], work.run.file(NETWORK))
    accuracy = _accuracy(work, quantised)
    says = f"{len(integer.operations)} operations, {integer.macs:,} multiply-accumulates, "
    says += f"validation accuracy {accuracy:.2%}"
    return Done(outputs=[NETWORK, WEIGHTS], says=says, result={"validation_accuracy": accuracy})


def _accuracy(work: Work, model: Any) -> float:
    from lamina.training import evaluate

    return float(evaluate(model, work.data.validation)["accuracy"])


def cost(work: Work) -> Done:
    """What the integer network costs on each machine."""
    from lamina.hw import registry, table

    network = work.networks()[0]
    machines = [registry.find(spec) for spec in registry.split_list(work.config.machines)]
    found = table.cost(network, machines).to_json()
    files.write(work.run.file(LAYERS), table.layers_csv(found["results"]))
    told = [
        f"{r['machine']} {si(r['total']['latency_s'], 's')} {si(r['total']['energy_j'], 'J')}" for r in found["results"]
    ]
    sources = [
        {"of": m.name, "quantity": quantity, "mark": mark, "citation": citation}
        for m in machines
        for quantity, (mark, citation) in m.all_sources.items()
    ]
    sources += [{"of": m.name, "quantity": "the machine", "mark": "published", "citation": m.paper} for m in machines]
    return Done(
        outputs=[LAYERS],
        says="; ".join(told),
        result={"cost": found, "roofline": roofline(machines), "sources": sources},
    )


def roofline(machines: Sequence[Any]) -> dict[str, Any] | None:
    """The roof of the first machine that is one, with the column of layers.csv that holds the bytes it moves."""
    for machine in machines:
        if machine.family.__name__.endswith(".roofline"):
            fields = machine.fields
            mark, what = machine.sources["peak_ops_per_s"]
            return {
                "machine": machine.name,
                "peak_ops_per_s": fields["peak_ops_per_s"],
                "roofs": [
                    {"name": "last cache", "bytes_per_s": fields["cache_bytes_per_s"]},
                    {"name": "DRAM", "bytes_per_s": fields["dram_bytes_per_s"]},
                ],
                "moved": "cache_bytes",
                "mark": mark,
                "what": what,
            }
    return None
