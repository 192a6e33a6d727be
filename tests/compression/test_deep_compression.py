"""The pipeline: what it reports is what the file holds, and the search keeps the drop or says that it could not."""

import copy
import gzip

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from torch import nn
from torch.nn import functional as F

from lamina.compression import deep_compression as dc
from lamina.compression import packed, prune
from lamina.core.errors import BadInput

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(600, 20, generator=GENERATOR)
Y = (X @ torch.randn(20, 4, generator=GENERATOR)).argmax(1)


def retrain(model: nn.Module, *, after_update, steps: int = 60) -> None:
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(steps):
        optimiser.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimiser.step()
        after_update((step + 1) / steps)


def evaluate(model: nn.Module) -> float:
    with torch.no_grad():
        return int((model(X).argmax(1) == Y).sum()) / len(Y)


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 60), nn.ReLU(), nn.Linear(60, 4))
    retrain(model, after_update=lambda share: None, steps=200)
    return model


def test_the_report_is_what_the_file_holds(trained):
    before = copy.deepcopy(trained.state_dict())
    config = dc.Config(density=0.3, clusters=(8,))
    small, report = dc.deep_compression(trained, retrain=retrain, evaluate=evaluate, config=config, text="network n")
    assert all(torch.equal(before[name], tensor) for name, tensor in trained.state_dict().items())
    data = packed.pack("network n", dc.arrays(small))
    _, found = packed.unpack(data)
    loaded = copy.deepcopy(trained)
    loaded.load_state_dict({name: torch.from_numpy(array) for name, array in found.items()})
    assert torch.equal(loaded(X), small(X))
    assert [stage.name.split()[0] for stage in report.stages] == ["float32", "pruned,", "pruned,", "pruned,", "shared,"]
    assert report.stages[0].bytes == 4 * (20 * 60 + 60 + 60 * 4 + 4)
    assert report.stages[-1].bytes == len(data) == report.rows[-1]["bytes"]
    assert report.ratio == report.stages[0].bytes / len(data)
    assert report.stages[-1].accuracy == evaluate(small)
    assert report.drop == evaluate(trained) - evaluate(small)
    assert report.met
    lines = str(report).splitlines()
    assert lines[0].startswith(f"{report.ratio:.1f} times smaller")
    assert f"{len(data):,} bytes" in lines[-1]
    kept = sum(int((w != 0).sum()) for w in prune.weights(small).values())
    assert kept == pytest.approx(0.3 * 1440, abs=2)
    for name, weight in prune.weights(small).items():
        values = np.unique(weight.detach().numpy())
        assert np.count_nonzero(values) == report.clusters[name] <= 8
        assert report.densities[name] == pytest.approx(float((weight != 0).float().mean()))


def test_the_stages_are_the_whole(trained):
    config = dc.Config(densities=(0.2, 0.5), clusters=(4, 8))
    small, report = dc.deep_compression(trained, retrain=retrain, evaluate=evaluate, config=config)
    by_hand = copy.deepcopy(trained)
    reached = dc.prune_stage(by_hand, retrain=retrain, config=config)
    assert report.stages[1].accuracy == evaluate(by_hand)
    assert report.stages[2].bytes == len(gzip.compress(save(dc.arrays(by_hand)), 9, mtime=0))
    assert reached == pytest.approx({"0.weight": 0.2, "2.weight": 0.5})
    sizes = dc.share_stage(by_hand, retrain=retrain, config=config)
    assert sizes == report.clusters
    assert all(torch.equal(a, b) for a, b in zip(by_hand.parameters(), small.parameters(), strict=True))


def test_the_search_keeps_the_drop_and_takes_the_smallest(trained):
    config = dc.Config(max_drop=0.02)
    _, report = dc.deep_compression(trained, retrain=retrain, evaluate=evaluate, config=config)
    good = [one["bytes"] for one in report.tried if evaluate(trained) - one["accuracy"] <= 0.02 + 1e-9]
    if report.met:
        assert report.drop <= 0.02 + 1e-9
        assert report.stages[-1].bytes == min(good)
    else:
        assert not good
    assert len(report.tried) < len(dc.DENSITIES) + len(dc.CLUSTERS)


def test_the_search_walks_both_lists_and_stops_where_accuracy_falls(trained):
    def fragile(model: nn.Module) -> float:
        weight = model[0].weight[model[0].weight != 0]
        enough = weight.numel() >= 0.05 * 1200 - 20 and torch.unique(weight).numel() >= 5
        return 0.99 if enough else 0.9

    small, report = dc.deep_compression(trained, retrain=retrain, evaluate=fragile, config=dc.Config(max_drop=0.01))
    walked = [(one["density"], one["clusters"]) for one in report.tried]
    last = max(i for i, one in enumerate(report.tried) if one["density"] != report.config.density)
    assert [density for density, _ in walked[: last + 1]] == list(dc.DENSITIES[: last + 1])
    assert report.config.density == dc.DENSITIES[last - 1]
    counts = [count for _, (count,) in walked[last + 1 :]]
    assert counts == [8, 6, 4][: len(counts)]
    assert [one["accuracy"] for one in report.tried] == [0.99] * last + [0.9] + [0.99] * (len(counts) - 1) + [0.9]
    assert report.config.clusters == ([16, *counts][-2],)
    assert report.met
    assert fragile(small) == 0.99


def test_the_search_for_a_ratio_stops_at_the_first_that_has_it(trained):
    config = dc.Config(target_ratio=8.0)
    _, report = dc.deep_compression(trained, retrain=retrain, evaluate=evaluate, config=config)
    assert report.met
    assert report.ratio >= 8
    assert all(report.stages[0].bytes / one["bytes"] < 8 for one in report.tried[:-1])
    _, beyond = dc.deep_compression(
        trained, retrain=retrain, evaluate=evaluate, config=dc.Config(target_ratio=1e6, max_drop=0.0)
    )
    assert not beyond.met


def test_the_packed_file_is_smaller_than_gzip_and_zstd_of_the_pruned_floats(trained):
    _, report = dc.deep_compression(trained, retrain=retrain, evaluate=evaluate, config=dc.Config(density=0.2))
    by_name = {stage.name: stage.bytes for stage in report.stages}
    assert by_name["shared, packed (.lmn)"] < min(by_name["pruned, gzip -9"], by_name["pruned, zstd -19"])


def test_settings_that_do_not_fit_the_layers_are_refused(trained):
    for config, words in [
        (dc.Config(densities=(0.5,)), "1 densities for 2 layers"),
        (dc.Config(clusters=(4, 4, 4)), "3 numbers of clusters for 2 layers"),
        (dc.Config(density=0.0), r"density 0\.0"),
        (dc.Config(float_bits=9), "9 bits"),
    ]:
        with pytest.raises(BadInput, match=words):
            dc.deep_compression(trained, retrain=retrain, evaluate=evaluate, config=config)
