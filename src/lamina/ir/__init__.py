"""A network: printable, checked, executable, integer-capable. NumPy alone; the waist of the house."""

from lamina.ir.layer import Layer as Layer
from lamina.ir.layer import dense as dense
from lamina.ir.network import Constant as Constant
from lamina.ir.network import Network as Network
from lamina.ir.network import Operation as Operation
from lamina.ir.network import constant as constant
from lamina.ir.training import training as training
from lamina.ir.types import Fixed as Fixed
from lamina.ir.types import Float as Float
from lamina.ir.types import Integer as Integer
from lamina.ir.types import Type as Type
