"""Our reader of HDF5 against files that h5py writes."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput, Unsupported
from lamina.lowering._hdf5 import File

h5py = pytest.importorskip("h5py")
names = st.text("abcdefghij_0123456789", min_size=1, max_size=12)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
dtypes = st.sampled_from(["<f2", "<f4", "<f8", "i1", "<i4", "<i8", "u1", "<u2"])


def written(fill: Callable[["h5py.File"], object], **options: object) -> File:
    held = io.BytesIO()
    with h5py.File(held, "w", **options) as file:
        fill(file)
    return File(held.getvalue())


@settings(max_examples=60)
@given(st.dictionaries(paths, st.tuples(dtypes, st.lists(st.integers(0, 4), max_size=4)), max_size=30))
def test_arrays_are_those_that_h5py_wrote(wanted: dict[str, tuple[str, list[int]]]) -> None:
    """Groups in groups, numbers of every kind and shape, empty and without axes too."""
    arrays = {}

    def fill(file: "h5py.File") -> None:
        for i, (path, (dtype, shape)) in enumerate(wanted.items()):
            clash = any(path.startswith(f"{other}/") or other.startswith(f"{path}/") for other in arrays)
            if not clash:
                arrays[path] = np.random.default_rng(i).integers(0, 100, shape).astype(dtype)
                file[path] = arrays[path]
                file[path].parent.attrs["name"] = "some name"

    file = written(fill)
    for path, array in arrays.items():
        found = file.array(path)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_a_group_of_many_names_is_a_tree_of_several_levels() -> None:
    file = written(lambda f: [f.__setitem__(f"layers/conv2d_{i}/vars/0", np.full(3, i)) for i in range(1500)])
    for i in range(1500):
        np.testing.assert_array_equal(file.array(f"layers/conv2d_{i}/vars/0"), i)
    with pytest.raises(BadInput, match="no weights at 'layers/conv2d_1500/vars/0'"):
        file.array("layers/conv2d_1500/vars/0")


def test_a_second_name_of_an_array_is_followed() -> None:
    def fill(file: "h5py.File") -> None:
        file["a/b"] = np.arange(4)
        file["c"] = file["a/b"]

    np.testing.assert_array_equal(written(fill).array("c"), np.arange(4))


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (lambda f: f.__setitem__("a", h5py.SoftLink("/b")), "a link to elsewhere"),
        (lambda f: f.__setitem__("a", h5py.ExternalLink("/etc/passwd", "/b")), "links to elsewhere"),
        (lambda f: f.create_dataset("a", (4,), "f4", external=[("/etc/passwd", 0, 16)]), "kept in another file"),
        (lambda f: f.create_dataset("a", (4,), "f4", chunks=(2,)), "chunked or virtual"),
        (lambda f: f.create_dataset("a", (4,), "f4", chunks=(2,), compression="gzip"), "packed"),
        (lambda f: f.__setitem__("a", "text"), "no plain numbers"),
        (lambda f: f.__setitem__("a", np.zeros(2, ">f4")), "no plain numbers"),
        (lambda f: f.__setitem__("a", np.zeros(2, np.complex64)), "no plain numbers"),
        (lambda f: f.create_group("a"), "no array"),
        (lambda f: f.create_dataset("a", (2**30, 2**30), "f4"), "bytes stored for it"),
    ],
)
def test_what_is_not_read_is_said(fill: Callable[["h5py.File"], object], message: str) -> None:
    with pytest.raises((BadInput, Unsupported), match=message):
        written(fill).array("a")


def test_the_newest_form_is_refused() -> None:
    with pytest.raises(Unsupported, match="newer form"):
        written(lambda f: f.__setitem__("a", np.arange(3)), libver="latest")


def test_what_leads_through_an_array_is_no_path() -> None:
    with pytest.raises(BadInput, match="no group"):
        written(lambda f: f.__setitem__("a", np.arange(3))).array("a/b")
