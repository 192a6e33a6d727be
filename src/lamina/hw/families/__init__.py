"""Arithmetic shared by machines of one kind: a dataclass of parameters and one pure function `cost(layers, machine)`.

A family is a file with

    the dataclass of its machines     frozen, keyword-only, checked; every field SI with its unit in the name
    refusal(layer, machine)           why a machine cannot run a layer, None where it can
    cost(layers, machine)             one `Cost` per layer
    area_m2(machine)                  or None
    USES                              quantity -> the fields and components it depends on, for its mark
"""
