"""Fashion-MNIST: ten kinds of clothing in MNIST's format, and harder: 55,000 / 5,000 / 10,000.

28 x 28 grey pixels. The last 5,000 of the published training set validate.

Source    Debian dataset-fashion-mnist, or the set's own address; Xiao, Rasul, Vollgraf, 2017,
          https://arxiv.org/abs/1708.07747 (MIT)
"""

from lamina.data._dataset import Dataset
from lamina.data._fetch import Origin, Source, deb, web
from lamina.data.mnist import split

_FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
ORIGIN = Origin(
    name="fashion_mnist",
    checksums=_FILES,
    sources=(
        Source(
            name="deb:dataset-fashion-mnist",
            get=deb("dataset-fashion-mnist"),
            prefix="root/usr/share/datasets/fashion-mnist",
            compressed=True,
        ),
        Source(
            name="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            get=web("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com", tuple(_FILES)),
            compressed=True,
        ),
    ),
)
CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


def fashion_mnist() -> Dataset:
    """The whole Fashion-MNIST; raises `BadInput` where it has not been fetched."""
    return split(ORIGIN, CLASSES)
