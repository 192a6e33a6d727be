"""Seven techniques of machine learning in the thirteen phases that PuDianNao was measured on, as loop nests.

    technique              phases                                               what the time goes into
    k-nearest neighbours   prediction                                           distances of tests and references
    k-means                clustering (one pass)                                distances of instances and centroids
    linear regression      training (one step), prediction                      products with one row of coefficients
    support vectors        training (the kernel's matrix), prediction           products and a function of each
    neural network         prediction, pre-training (CD-1), training (one step) products of layers
    naive Bayes            training, prediction                                 counting; products of probabilities
    classification tree    training, prediction                                 counting at each level; comparisons

Rows of instances against rows of references, centroids, coefficients or weights are `linear` nests: n instances, k
rows, c features. Euclidean distances take a subtraction more than a product, which multiply-accumulates do not say. The
k-means sizes are the paper's example (a public review); all others are assumed, of public data sets (MNIST with 784
features; UCI gas sensors 128, nursery 8, covertype 54): the paper's table is not at hand.

Paper     Liu et al., "PuDianNao", ASPLOS 2015, https://doi.org/10.1145/2694344.2694358
"""

from itertools import pairwise

from lamina.hw.workloads._shapes import dense
from lamina.ir.layer import Layer

MNIST, TESTS, PIXELS = 60_000, 10_000, 784
GAS, GAS_FEATURES = 13_910, 128
NURSERY, NURSERY_FEATURES, NURSERY_CLASSES = 12_960, 8, 5
COVERTYPE, COVERTYPE_FEATURES, COVERTYPE_LEVELS = 581_012, 54, 16
NEIGHBOURS, VECTORS, BATCH = 20, 4096, 256
MEANS = {"instances": 65_536, "centroids": 1024, "features": 16}
SIZES = (PIXELS, 1024, 1024, 10)  # of the neural network


def pudiannao_phases(*, bits: int = 16) -> dict[str, list[Layer]]:
    """The layers of each phase, words of `bits`."""

    def products(name: str, instances: int, rows: int, features: int) -> Layer:
        return dense(features, rows, batch=instances, bits=bits, name=name)

    def work(name: str, operator: str, taken: int, made: int, ops: int, rows: int = 1) -> Layer:
        """Work without weights on `rows` rows, each of `taken` numbers in and `made` out."""
        return Layer(
            name=name, operator=operator, n=rows, c=taken, k=made, has_weights=False, ops=ops, input_bits=bits,
            weight_bits=bits, output_bits=bits,
        )  # fmt: skip

    def nearest(name: str, instances: int, rows: int, features: int, kept: int) -> list[Layer]:
        return [
            products(name, instances, rows, features),
            work(f"{name}, least", "reduce_min", rows, kept, instances * rows, instances),
        ]

    forward = [products(f"layer {i}", BATCH, k, c) for i, (c, k) in enumerate(pairwise(SIZES), start=1)]
    down = [products(f"back through {i}", BATCH, c, k) for i, (c, k) in enumerate(pairwise(SIZES), start=1)][1:]
    steps = [products(f"gradient {i}", c, k, BATCH) for i, (c, k) in enumerate(pairwise(SIZES), start=1)]
    points, means, features = MEANS["instances"], MEANS["centroids"], MEANS["features"]
    return {
        "k_nearest_neighbours": nearest("distances", TESTS, MNIST, PIXELS, NEIGHBOURS),
        "k_means": [
            *nearest("distances", points, means, features, 1),
            work("new centroids", "reduce_sum", points, means, points * features, features),
        ],
        "linear_regression_training": [
            products("errors", GAS, 1, GAS_FEATURES),
            products("gradient", GAS_FEATURES, 1, GAS),
        ],
        "linear_regression_prediction": [products("values", GAS, 1, GAS_FEATURES)],
        "support_vectors_training": [
            products("kernel", VECTORS, VECTORS, PIXELS),
            work("function", "exp", VECTORS, VECTORS, VECTORS * VECTORS, VECTORS),
        ],
        "support_vectors_prediction": [
            products("kernel", TESTS, VECTORS, PIXELS),
            work("function", "exp", VECTORS, VECTORS, TESTS * VECTORS, TESTS),
            products("decision", TESTS, 1, VECTORS),
        ],
        "neural_network_prediction": forward,
        "neural_network_pre_training": [
            *(products(f"CD-1 {i}{step}", BATCH, k, c) for i, (c, k) in enumerate(pairwise(SIZES[:-1]), start=1)
              for step in ("up", "up again")),
            *(products(f"CD-1 {i}down", BATCH, c, k) for i, (c, k) in enumerate(pairwise(SIZES[:-1]), start=1)),
            *(products(f"CD-1 {i}{side}", c, k, BATCH) for i, (c, k) in enumerate(pairwise(SIZES[:-1]), start=1)
              for side in ("data", "model")),
        ],
        "neural_network_training": [*forward, *down, *steps],
        "naive_bayes_training": [
            work("counts", "reduce_sum", NURSERY_FEATURES, 1, NURSERY * NURSERY_FEATURES, NURSERY)
        ],
        "naive_bayes_prediction": [
            work("likelihoods", "multiply", NURSERY_FEATURES, NURSERY_CLASSES,
                 NURSERY * NURSERY_FEATURES * NURSERY_CLASSES, NURSERY),
        ],
        "classification_tree_training": [
            work(f"counts of level {level}", "reduce_sum", COVERTYPE_FEATURES, 1, COVERTYPE * COVERTYPE_FEATURES,
                 COVERTYPE)
            for level in range(1, COVERTYPE_LEVELS + 1)
        ],
        "classification_tree_prediction": [
            work("comparisons", "maximum", COVERTYPE_FEATURES, 1, COVERTYPE * COVERTYPE_LEVELS, COVERTYPE)
        ],
    }  # fmt: skip
