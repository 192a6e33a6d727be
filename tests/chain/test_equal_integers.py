"""The same integers along the chain, on 1,000 real test digits: torch = interpreter = onnxruntime = C = systolic array.

Both forms of requantisation, LeNet-5 in both of its styles, trained for an epoch so that no value is degenerate. The
settings of onnxruntime are those of `lamina.export.session` (INTERFACE, section 5): all optimisations on.
"""

import numpy as np
import pytest

import lamina
from lamina.compression.quantise import Config, quantise
from lamina.emulation import emulate
from lamina.hw import registry
from lamina.ir.transform import integer_core
from lamina.lowering import lower
from lamina.models.lenet5 import Config as LeNet5
from lamina.training import FitConfig, fit
from tests.requirements import need

EXAMPLES = 1000
STYLES = {"today": LeNet5(), "1998": LeNet5(activation="tanh", pooling="average")}


@pytest.fixture(scope="module")
def digits():
    return lamina.data.digits()


@pytest.fixture(scope="module", params=STYLES)
def trained(request, digits):
    model = lamina.models.lenet5(STYLES[request.param])
    fit(model, digits, config=FitConfig(epochs=1))
    return model


@pytest.fixture(scope="module", params=["power_of_two", "float"])
def link(request, trained, digits):
    """Fake-quantised torch, its network, and the inputs."""
    module, _ = quantise(trained, digits.train.inputs[:500], Config(scales=request.param))
    network = lower(module, input_shape=(1, 1, 28, 28), name=f"lenet5_{request.param}")
    return module, network, digits.test.inputs[:EXAMPLES]


def test_torch(link):
    module, network, x = link
    assert np.array_equal(module(x).detach().numpy(), network.run({"x": x.numpy()})["output"])


def test_onnxruntime(link, tmp_path):
    """Every value that the file shares with the network, not only the last."""
    pytest.importorskip("onnxruntime")
    _, network, x = link
    path = lamina.export.onnx(network, tmp_path / "network.onnx")
    from lamina.api import links

    found = links.compare(links.open_link(network), links.open_link(path), {"x": x.numpy()})
    assert found.equal, str(found)
    assert found.compared >= 6


def test_c(link, tmp_path):
    need("gcc")
    _, network, x = link
    from lamina.api import links

    lamina.export.c(network, tmp_path / "c")
    found = links.compare(links.open_link(network), links.open_link(tmp_path / "c"), {"x": x.numpy()})
    assert found.equal, str(found)


@pytest.mark.parametrize("dataflow", ["output_stationary", "weight_stationary", "input_stationary"])
def test_systolic_array(link, dataflow):
    _, network, x = link
    some = x if dataflow == "weight_stationary" else x[:100]
    done = emulate(network, registry.find(f"systolic:rows=16,columns=16,dataflow={dataflow}"), {"x": some.numpy()})
    assert (done.examples, done.differing, done.cycles_agree) == (len(some), 0, True)
    assert done.compared > 5000 * len(some)


def test_the_core_has_no_floats(link):
    core = integer_core(link[1])
    assert all(str(t.element)[0] in "iu" for o in core.operations for t in o.outputs.values())
