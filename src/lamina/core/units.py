"""SI inside, unit in the name, constants at the border.

A quantity is a plain float in SI units and its name ends in the unit (`latency_s`, `energy_j`, `area_m2`).
Prefixes appear only where a number enters (`2 * KiB`, `0.98 * GHz`, `3.02 * mm2`) or leaves (`si(4.6e-6, "s")`).
`K`, `M`, `G` are powers of ten, `Ki`, `Mi`, `Gi` powers of two (IEC 80000-13).
"""

KiB, MiB, GiB = 2**10, 2**20, 2**30  # bytes
KB, MB, GB = 1e3, 1e6, 1e9  # bytes, or bytes per second
kHz, MHz, GHz = 1e3, 1e6, 1e9  # hertz
ns, us, ms = 1e-9, 1e-6, 1e-3  # seconds
fJ, pJ, nJ, uJ, mJ = 1e-15, 1e-12, 1e-9, 1e-6, 1e-3  # joules
uW, mW = 1e-6, 1e-3  # watts
um2, mm2, cm2 = 1e-12, 1e-6, 1e-4  # square metres
nm = 1e-9  # metres

_PREFIXES = (
    (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""),
    (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"),
)  # fmt: skip


def si(value: float | None, unit: str = "", digits: int = 3) -> str:
    """`value` with an SI prefix for people to read: `si(4.6e-6, "s") == "4.60 µs"`; None prints as a dash.

    Areas (`unit="m2"`) are given in mm² or µm², since a prefix would be squared.
    """
    if value is None:
        return "–"
    if value == 0:
        return f"0 {unit}".rstrip()
    if unit == "m2":
        return (
            f"{_digits(value / mm2, digits)} mm²" if abs(value) >= 1e-3 * mm2 else f"{_digits(value / um2, digits)} µm²"
        )
    for factor, prefix in _PREFIXES:
        # 0.9995 rounds up to the next prefix's 1.00
        if abs(value) >= factor * (1 - 0.5 * 10**-digits):
            return f"{_digits(value / factor, digits)} {prefix}{unit}".rstrip()
    return f"{value:.{digits - 1}e} {unit}".rstrip()


def _digits(value: float, digits: int) -> str:
    whole = len(str(int(abs(value))))
    return f"{value:.{max(0, digits - whole)}f}"
