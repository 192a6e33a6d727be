"""Mapping loops to an array and its memories: what a mapping costs, and a search that always has an answer."""

from lamina.hw.mapping.evaluate import Evaluation as Evaluation
from lamina.hw.mapping.evaluate import evaluate as evaluate
from lamina.hw.mapping.mapping import Mapping as Mapping
from lamina.hw.mapping.network import NetworkMapping as NetworkMapping
from lamina.hw.mapping.network import load as load
from lamina.hw.mapping.network import map_network as map_network
from lamina.hw.mapping.problem import problem as problem
from lamina.hw.mapping.search import Constraints as Constraints
from lamina.hw.mapping.search import search as search
