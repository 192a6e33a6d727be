"""The Mackey-Glass series: a delayed feedback that turns chaotic as the delay grows; made up here, no noise in it.

    dx/dt = 0.2 x(t - τ) / (1 + x(t - τ)¹⁰) - 0.1 x(t)

Runge-Kutta of fourth order; between grid points the delayed value is the cubic Hermite polynomial of values and slopes,
so that the error falls with the fourth power of the grid. x is constant before t = 0. Periodic for small τ, chaotic
from 16.8 on: 17 is the usual task, to tell the next value from those before.

Shapes     values [count, steps] float64, one every unit of time, all within (0, 1.6)
Errors     `BadInput` for numbers of steps below 1, a delay that is no multiple of the grid, other shapes
Paper      Mackey & Glass, "Oscillation and Chaos in Physiological Control Systems", Science 197, 1977,
           https://doi.org/10.1126/science.267326
"""

import math

import numpy as np

from lamina.core.errors import BadInput
from lamina.core.seeds import numpy_generator


def mackey_glass(
    steps: int,
    *,
    count: int = 1,
    seed: int | None = None,
    start: float = 1.2,
    tau: float = 17.0,
    per_unit: int = 10,
    washout: int = 0,
) -> np.ndarray:
    """`count` series of `steps` values behind `washout` others, one every unit of time.

    The constant before t = 0, which is the first value without washout, is `start`; with a `seed` each series has one
    of its own, uniform in [0.5, 1.4). The grid has `per_unit` points in a unit of time.
    """
    lag = round(tau * per_unit)
    if min(steps, count, per_unit) < 1 or washout < 0:
        raise BadInput(
            f"steps {steps}, count {count}, per_unit {per_unit}, washout {washout}: 1 or more (0) are needed"
        )
    if not 0 < tau < math.inf or not math.isclose(lag, tau * per_unit) or not 0 < start < math.inf:
        raise BadInput(f"tau {tau}, start {start}: positive numbers are needed, tau a multiple of 1/{per_unit}")
    if seed is not None:
        first = numpy_generator(seed, "mackey-glass").uniform(0.5, 1.4, count)
    else:
        first = np.full(count, start)
    size = (steps + washout - 1) * per_unit + 1
    h = 1 / per_unit
    x, slope = np.empty((size, count)), np.empty((size, count))
    x[0] = first
    constant = (first, np.zeros(count))

    def point(i: int) -> tuple[np.ndarray, np.ndarray]:
        return (x[i], slope[i]) if i >= 0 else constant

    for i in range(size - 1):
        (left, left_slope), here = point(i - lag), x[i]
        slope[i] = _slope(here, left)
        # seen from the left, the slope at t = 0 is that of the constant
        right, right_slope = point(i + 1 - lag) if i + 1 > lag else constant
        middle = (left + right) / 2 + h / 8 * (left_slope - right_slope)
        k1 = slope[i]
        k2 = _slope(here + h / 2 * k1, middle)
        k3 = _slope(here + h / 2 * k2, middle)
        k4 = _slope(here + h * k3, right)
        x[i + 1] = here + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x[washout * per_unit :: per_unit].T.copy()


def _slope(x: np.ndarray, delayed: np.ndarray) -> np.ndarray:
    return 0.2 * delayed / (1 + delayed**10) - 0.1 * x


def nrmse(found: np.ndarray, wanted: np.ndarray) -> float:
    """Root of the mean squared error as a share of the standard deviation of what was wanted; 1 is the mean's."""
    if found.shape != wanted.shape or found.size < 2 or not np.isfinite(wanted).all():
        raise BadInput(f"answers {found.shape} for {wanted.shape} finite values: equal shapes, 2 values are needed")
    spread = float(wanted.std())
    if spread == 0:
        raise BadInput("all values wanted are equal: an error has no share of their spread")
    return float(np.sqrt(np.mean((found - wanted) ** 2))) / spread
