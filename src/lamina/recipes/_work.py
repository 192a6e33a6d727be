"""What the stages of a recipe share: configuration, settings, data, and models read from the run folder's files."""

import functools
from typing import TYPE_CHECKING, Any, Protocol

from lamina.core import files, registry
from lamina.core.run_folder import RunFolder
from lamina.recipes._settings import Settings

if TYPE_CHECKING:
    from torch import nn

CALIBRATION = 500  # training examples by which the integer grids are chosen


class Configured(Protocol):
    """The fields of a recipe's Config that its stages read."""

    @property
    def model(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def bits(self) -> int: ...
    @property
    def machines(self) -> str: ...
    @property
    def examples(self) -> int: ...


def data_set(name: str, limit: int | None) -> Any:
    """Registered data set `name`, cut to `limit` examples of each split."""
    import lamina.data as package

    module = registry.member(package, name, "data set")
    found = getattr(module, name)()
    return found if limit is None else found.limited(limit)


def model_module(name: str) -> Any:
    """The file of registered model `name`."""
    import lamina.models as package

    return registry.member(package, name, "model")


class Work:
    """Handed to each stage; what it caches follows from the configuration and from files alone."""

    def __init__(self, run: RunFolder, config: Configured, settings: Settings, data: Any) -> None:
        self.run, self.config, self.settings, self.data = run, config, settings, data
        self._integer: tuple[str, nn.Module] | None = None  # by the checksum of the weights

    @functools.cached_property
    def module(self) -> Any:
        return model_module(self.config.model)

    def model(self, weights: str | None = None) -> "nn.Module":
        """The model as built, or with the weights of the run's file `weights`."""
        built: nn.Module = getattr(self.module, self.config.model)(seed=self.config.seed)
        if weights is not None:
            import torch

            from lamina.ir.store import read_safetensors

            path = self.run.file(weights)
            arrays = read_safetensors(files.read(path), path)
            built.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        return built.eval()

    def save(self, model: "nn.Module", name: str) -> None:
        """The weights of `model` as the run's file `name`."""
        from safetensors.torch import save

        self.run.file(name).parent.mkdir(parents=True, exist_ok=True)
        files.write(self.run.file(name), save({k: v.detach().contiguous() for k, v in model.state_dict().items()}))

    def integer_model(self) -> "nn.Module":
        """The final weights in integers: what the integer network is lowered from, the same whenever it is made."""
        from lamina.compression.quantise import Config, quantise

        checksum = files.sha256(self.run.file("weights.safetensors"))
        if self._integer is not None and self._integer[0] == checksum:
            return self._integer[1]
        inputs = self.data.train.inputs[:CALIBRATION]
        made = quantise(self.model("weights.safetensors"), inputs, Config(bits=self.config.bits))[0]
        self._integer = (checksum, made)
        return made

    def networks(self) -> list[Any]:
        """The integer network and the float one."""
        from lamina.ir import store

        return store.load(self.run.file("network.lamina"))
