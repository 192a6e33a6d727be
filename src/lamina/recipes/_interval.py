"""Intervals and p-values of a few values, one a seed, by Student's t distribution.

    mean ± t(0.975, n - 1) s / √n      p = P(T >= (mean - limit) / (s / √n)), T with n - 1 degrees of freedom

Differences are taken seed by seed before they come here: equal data, equal order, so that what seeds share drops out.

Paper      Student, "The probable error of a mean", Biometrika 6(1), 1908, https://doi.org/10.1093/biomet/6.1.1
"""

import math
import statistics
from collections.abc import Sequence

from lamina.core.errors import BadInput

LEVEL = 0.95  # of confidence
TAIL = 0.025  # the p-value at which that interval leaves the limit behind
STUDENT = "Student's t on paired differences, one-sided"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean of `values`; where all are equal it is a point. At least two are needed."""
    from scipy.stats import t

    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1)) * _error(values)
    mean = statistics.fmean(values)
    return mean - half, mean + half


def p_value(values: Sequence[float], limit: float = 0.0) -> float:
    """How likely a mean at least as high as that of `values` is, were `limit` the true one; one-sided."""
    from scipy.stats import t

    error, above = _error(values), statistics.fmean(values) - limit
    if error == 0:
        return 0.0 if above > 0 else 1.0
    return float(t.sf(above / error, len(values) - 1))


def _error(values: Sequence[float]) -> float:
    """The standard error of the mean."""
    if len(values) < 2:
        raise BadInput(f"{len(values)} values: an interval needs 2 or more, one a seed: set seeds=2 or more")
    return statistics.stdev(values) / math.sqrt(len(values))
