"""What each model was trained on here and how well it did: figures of result files, by model.

    "mnist.lenet5_error" ──▶ lenet5, MNIST            score: the figure's number, with its interval and unit

A table from figures to models, nothing else: no score is typed, and a figure without a result file shows nothing.
Where several figures speak for one model the first in the table is its score.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lamina.recipes import _results
from lamina.recipes._results import Figure, Result

# RECIPE.FIGURE -> model, data set or task
SCORES: dict[str, tuple[str, str]] = {
    "mnist.mlp_error": ("mlp", "MNIST"),
    "mnist.lenet5_augmented_error": ("lenet5_caffe", "MNIST, distorted pictures"),
    "mnist.lenet5_error": ("lenet5_caffe", "MNIST"),
    "mnist.dropconnect_ensemble_error": ("dropconnect_cnn", "MNIST, distorted pictures"),
    "digits.lenet5_caffe_accuracy": ("lenet5_caffe", "MNIST"),
    "digits.lenet_300_100_accuracy": ("lenet_300_100", "MNIST"),
    "fashion.fashion_accuracy": ("resnet20", "Fashion-MNIST"),
    "xor.perceptron_right": ("perceptron", "XOR"),
    "xor.mlp_right": ("mlp", "XOR"),
    "temporal_xor.elman_third": ("elman", "temporal XOR"),
    "temporal_xor.jordan_over_mlp": ("jordan", "temporal XOR"),
    "adding.lstm_error": ("lstm", "the adding problem"),
    "adding.rnn_error": ("rnn", "the adding problem"),
    "chaos.nrmse_84": ("echo_state_network", "Mackey-Glass"),
    "invariance.shift_2_kept": ("lenet5", "MNIST"),
    "pooling.average_less_max_mnist": ("pooling_cnn", "MNIST"),
    "regularisation.dropconnect_gain": ("dropconnect_mlp", "MNIST"),
    "missing_word.cloze_accuracy": ("bidirectional_rnn", "Brown corpus, missing words"),
    "next_word.gru_perplexity": ("gru", "Brown corpus, next word"),
    "next_word.clockwork_perplexity": ("clockwork_rnn", "Brown corpus, next word"),
    "next_word.stacked_perplexity": ("deep_rnn", "Brown corpus, next word"),
    "label_efficiency.gain_over_pixels_at_100": ("rbm", "MNIST, 100 labels"),
    "captions.bleu_over_nearest": ("captioner", "composed scenes"),
    "captions.stamps_bleu_over_nearest": ("captioner", "stamps"),
    "captions.recall_over_nearest": ("picture_ranker", "composed scenes"),
    "captions.drawn_digits": ("text_to_image", "composed scenes"),
    "gan_mixture.grid_gan_covered": ("gan", "25 Gaussians"),
    "gan_mixture.grid_wgan_gp_covered": ("wgan_gp", "25 Gaussians"),
    "gan_digits.dcgan_distance": ("dcgan", "MNIST"),
    "gan_digits.conditional_gan_read": ("conditional_gan", "MNIST"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    model: str
    data: str
    recipe: str
    figure: Figure


def scores(results: Iterable[Result] | None = None) -> dict[str, list[Score]]:
    """The scores of every model that has any, in the table's order."""
    stored = _results.read_all() if results is None else results
    figures = {f"{result.recipe}.{f.name}": (result.recipe, f) for result in stored for f in result.figures}
    found: dict[str, list[Score]] = {}
    for key, (model, data) in SCORES.items():
        if key in figures:
            recipe, figure = figures[key]
            found.setdefault(model, []).append(Score(model=model, data=data, recipe=recipe, figure=figure))
    return found
