"""The integer form of every operator that has one; what is not here stays float, told in the report."""

from lamina.ir.quantise.moving import MOVING
from lamina.ir.quantise.multiplying import MULTIPLYING
from lamina.ir.quantise.rounding import ROUNDING
from lamina.ir.quantise.settings import Form
from lamina.ir.quantise.tables import TABLES

FORMS: dict[str, Form] = {**MULTIPLYING, **ROUNDING, **MOVING, **TABLES}
