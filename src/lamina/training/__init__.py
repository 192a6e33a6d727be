"""One `fit` for every model, and what it is made of."""

from lamina.training.evaluation import evaluate as evaluate
from lamina.training.evaluation import predictions as predictions
from lamina.training.fitting import Fit as Fit
from lamina.training.fitting import FitConfig as FitConfig
from lamina.training.fitting import fit as fit
from lamina.training.retraining import retrainer as retrainer
from lamina.training.steps import State as State
from lamina.training.steps import begin as begin
from lamina.training.steps import gradients as gradients
from lamina.training.steps import update as update
