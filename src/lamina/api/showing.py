"""`show`: one thing. A network's layers, a machine's data with their sources, a data set with pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lamina.api import sources
from lamina.api.listing import Listing
from lamina.core import files, registry
from lamina.core.errors import BadInput, unknown
from lamina.core.progress import say
from lamina.ir.network import Network

SHADES = " .:-=+*#%@"  # dark to light, as text


def show(
    source: str | Path,
    *,
    svg: Path | str | None = None,
    out: Path | str | None = None,
    shapes: sources.Shapes | None = None,
    values: sources.Values | None = None,
) -> Any:
    """What `source` names: a file or run folder, else a model, a machine (fields after a colon), or a data set.

    A network prints its layers and its drawing. `svg` writes the drawing of its graph, operation by operation, there;
    `out` is a folder for its portrait, branches side by side and boxes scaled by their size: network.svg, index.html.
    """
    import lamina.data as data_package
    import lamina.models as models_package
    from lamina.hw import registry as machines

    text = str(source)
    path = Path(text.partition("#")[0])
    is_file = path.exists() and path.suffix != ".toml"
    drawn = is_file or path.suffix in sources.READERS or text in registry.names(models_package)
    if (svg or out) is not None and not drawn:
        raise BadInput(f"{text}: only networks are drawn: leave svg and out away, or name a model or a network's file")
    if text.endswith(".toml") or text.partition(":")[0] in machines.names():
        return machine(text)
    if drawn:
        from lamina.ir import drawing

        network = sources.network(text, shapes=shapes, values=values)
        if svg is not None:
            files.write(Path(svg), drawing.svg(network).encode())
        registered = text in registry.names(models_package) and not path.exists()
        shown = Shown(network, text, about(text) if registered else {})
        if out is not None:
            shown.write(Path(out), lecture=(sources.model_module(text).__doc__ or "").strip() if registered else "")
        return shown
    if text in registry.names(data_package):
        return Pictures(text)
    known = [*registry.names(models_package), *machines.names(), *registry.names(data_package)]
    raise BadInput(f"{unknown('thing to show', text, known)}; or a run folder or file ({', '.join(sources.READERS)})")


class Shown:
    """A network: its layers as rows, and printed also its drawing and what is known of it."""

    def __init__(self, network: Network, title: str, facts: Mapping[str, str]) -> None:
        from lamina.ir import summary

        self.network, self.facts = network, facts
        self.layers = Listing(summary.table(network), summary.COLUMNS, title)

    def to_json(self) -> list[dict[str, Any]]:
        return self.layers.to_json()

    def __iter__(self) -> Any:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __str__(self) -> str:
        from lamina.reporting import lanes

        facts = "\n".join(f"{name}: {value}" for name, value in self.facts.items())
        return "\n".join(filter(None, (str(self.layers), lanes.text(self.network), facts)))

    def write(self, folder: Path, *, lecture: str = "") -> None:
        """network.svg and index.html."""
        from lamina.reporting import portrait, portrait_page

        page = portrait_page.page(self.network, about=self.facts, lecture=lecture)
        files.write(folder / "network.svg", portrait.svg(self.network).encode())
        files.write(folder / "index.html", page.encode())
        say(f"drawing: {folder / 'index.html'}")


def about(name: str) -> dict[str, str]:
    """What is known of registered model `name`, in words."""
    from lamina.recipes._scores import scores
    from lamina.recipes._survey import found

    module = sources.model_module(name)
    facts = {"what": registry.summary(module), "paper": module.PAPER}
    for number, score in enumerate(scores().get(name, ()), start=1):
        told = (
            f"{score.data}: {found(score.figure, score.figure.unit)} ({score.figure.title}; lamina run {score.recipe})"
        )
        facts[f"trained on ({number})"] = told
    return facts


def machine(spec: str) -> Listing:
    """A machine's data: every field and component with its mark and source; a list of parts has a row a part."""
    from lamina.hw import registry as machines

    found = machines.find(spec)
    rows = [
        {"field": field, "value": value, "mark": found.sources[name][0], "source": found.sources[name][1]}
        for name, whole in found.fields.items()
        for field, value in _parts(name, whole)
    ]
    rows += [
        {"field": name, "value": None, "mark": mark, "source": text}
        for name, (mark, text) in found.all_sources.items()
        if name not in found.fields
    ]
    return Listing(rows, ("field", "value", "mark", "source"), title=f"{found.name}: {found.paper}")


def _parts(name: str, value: Any) -> list[tuple[str, Any]]:
    """A field as one row, or as a row for each part where it is a list of them."""
    if not isinstance(value, list | tuple) or not all(isinstance(part, dict) for part in value):
        return [(name, value)]
    return [(f"{name} {part['name']}", _told(part)) for part in value]


def _told(part: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_plain(v)}" for key, v in part.items() if key != "name" and v not in (None, (), False))


def _plain(value: Any) -> str:
    return (
        "+".join(map(str, value))
        if isinstance(value, list | tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


class Pictures:
    """A data set: its splits, and one picture of each class."""

    def __init__(self, name: str) -> None:
        import lamina.data as package

        self.data = getattr(package, name)()

    def to_json(self) -> dict[str, Any]:
        splits = {name: getattr(self.data, name) for name in ("train", "validation", "test")}
        return {
            "name": self.data.name,
            "classes": list(self.data.classes),
            "checksum": self.data.checksum,
            "examples": {name: len(split) for name, split in splits.items()},
            "input_shape": list(self.data.train.inputs.shape[1:]),
            "per_class": self._per_class(),
        }

    def _per_class(self) -> Mapping[str, int]:
        counts = self.data.train.labels.bincount(minlength=len(self.data.classes)).tolist()
        return dict(zip(self.data.classes, counts, strict=True))

    def __str__(self) -> str:
        told = self.to_json()
        examples = ", ".join(f"{count:,} {name}" for name, count in told["examples"].items())
        head = f"{told['name']}: {examples}; inputs {told['input_shape']} in [0, 1]; SHA-256 {told['checksum'][:16]}…"
        labels = self.data.train.labels
        blocks = []
        for index, name in enumerate(self.data.classes):
            first = int((labels == index).nonzero()[0])
            blocks.append([f"{name} ({told['per_class'][name]:,})", *_drawn(self.data.train.inputs[first, 0].tolist())])
        return "\n".join([head, *(_beside(blocks[i : i + 5]) for i in range(0, len(blocks), 5))])


def _drawn(pixels: Sequence[Sequence[float]]) -> list[str]:
    """A picture as characters, every second row: they are twice as high as wide."""
    return ["".join(SHADES[min(int(v * len(SHADES)), len(SHADES) - 1)] for v in row) for row in pixels[::2]]


def _beside(blocks: Sequence[Sequence[str]]) -> str:
    width = max(len(line) for block in blocks for line in block) + 1
    height = max(map(len, blocks))
    lines = ("".join((b[i] if i < len(b) else "").ljust(width) for b in blocks).rstrip() for i in range(height))
    return "\n".join(lines)
