"""The stage that computes as the machines do: each emulator on test examples, its bits and cycles checked.

A machine that multiplies integers runs the integer network; one with a fixed point of its own (DianNao's Q6.10) runs
the float network in that. Both are compared with the interpreter value by value, and their ticks with the closed form.
"""

from typing import Any

from lamina.core.errors import BadInput, CheckFailed, Unsupported
from lamina.recipes._stages import Done
from lamina.recipes._work import Work


def emulate(work: Work) -> Done:
    """Run every machine that has an emulator."""
    from lamina.hw import registry

    split = work.data.test.first(work.config.examples)
    labels = split.labels.numpy()
    machines: list[dict[str, Any]] = []
    links: list[dict[str, Any]] = []
    for spec in registry.split_list(work.config.machines):
        machine = registry.find(spec)
        try:
            found, words = _run(work, machine, split, labels)
        except Unsupported as e:  # it has no emulator
            machines.append({"machine": machine.name, "correct": None, "note": str(e)})
            continue
        if not found.cycles_agree:
            raise CheckFailed(
                f"{machine.name}: its emulator counts {dict(found.cycles)}, hw {dict(found.expected_cycles)}"
            )
        cycles = sum(found.cycles.values())
        machines.append(
            {
                "machine": machine.name,
                "arithmetic": f"{machine.name} emulated, {words}",
                "correct": round(found.accuracy * found.examples),
                "examples": found.examples,
                "is_integer": found.bits_agree and found.network == work.networks()[0].name,
                "cycles": cycles,
            }
        )
        links.append(
            {
                "link": f"{machine.name} emulator",
                "against": f"interpreter, {words}",
                "examples": found.examples,
                "compared": found.compared,
                "differing": found.differing,
                "note": f"every value of every layer; {cycles:,} ticks an example, equal to the closed form",
            }
        )
    told = [f"{m['machine']} {m['correct'] / m['examples']:.2%} right" for m in machines if m["correct"] is not None]
    wrong = sum(link["differing"] for link in links)
    says = f"{', '.join(told) or 'no machine has an emulator'}; {wrong} numbers differ from the interpreter"
    return Done(outputs=[], says=says, result={"machines": machines, "links": links})


def _run(work: Work, machine: Any, split: Any, labels: Any) -> tuple[Any, str]:
    """The emulation, and in words the arithmetic: the first of the run's networks that the machine can take."""
    from lamina import emulation

    reasons = []
    for network, words in zip(work.networks(), (f"{work.config.bits}-bit integers", "fixed point"), strict=True):
        inputs = {next(iter(network.inputs)): split.inputs.numpy()}
        try:
            return emulation.emulate(network, machine, inputs, labels=labels), words
        except BadInput as e:
            reasons.append(str(e))
    raise BadInput(f"machine {machine.name} takes none of the run's networks: {'; '.join(reasons)}")
