"""What papers print of the models that the digits recipe trains, on the whole MNIST."""

from dataclasses import dataclass

_HAN = "Han et al., ICLR 2016, table 1 (read in transcriptions), https://arxiv.org/abs/1510.00149"
_LECUN = "LeCun et al., Proc. IEEE 86(11), 1998, section III.C (recalled, unverified), https://doi.org/10.1109/5.726791"


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A number that a paper prints of a model on the whole MNIST."""

    model: str
    what: str
    quantity: str  # of summary.json
    value: float
    unit: str  # "%" of a share, or "x"
    source: str


_ACCURACY, _RATIO = ("test accuracy", "test_accuracy", "%"), ("times smaller than float32", "ratio", "x")
PUBLISHED = tuple(
    Published(model=model, what=what, quantity=quantity, value=value, unit=unit, source=source)
    for model, (what, quantity, unit), value, source in (
        ("lenet5", _ACCURACY, 0.992, f"trained on distorted digits: {_LECUN}"),
        ("lenet5_caffe", _ACCURACY, 0.9926, f"compressed: {_HAN}"),
        ("lenet5_caffe", _RATIO, 39.0, _HAN),
        ("lenet_300_100", _ACCURACY, 0.9842, f"compressed: {_HAN}"),
        ("lenet_300_100", _RATIO, 40.0, _HAN),
    )
)
