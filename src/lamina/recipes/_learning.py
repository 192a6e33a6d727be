"""The stages that learn: train, prune, share weights and pack.

    train   stages/train.safetensors     resumed inside by fit's own checkpoints
    prune   stages/prune.safetensors     begun again when it was killed: its masks are not in a checkpoint
    share   weights.safetensors, packed.lmn

Accuracies here are those of the validation split. Each stage reads the weights file of the one before.
"""

import shutil
from collections.abc import Callable
from typing import Any

from lamina.core.seeds import derive
from lamina.core.units import si
from lamina.recipes._settings import Schedule
from lamina.recipes._stages import Done
from lamina.recipes._work import Work

TRAINED, PRUNED, FINAL, PACKED = (
    "stages/train.safetensors",
    "stages/prune.safetensors",
    "weights.safetensors",
    "packed.lmn",
)


def train(work: Work) -> Done:
    """Fit the model as built."""
    model = work.model()
    done = _fit(work, model, "train", work.settings.train)
    work.save(model, TRAINED)
    accuracy = done.validation_accuracy
    return Done(outputs=[TRAINED], says=f"validation accuracy {accuracy:.2%}", result={"validation_accuracy": accuracy})


def prune(work: Work) -> Done:
    """Prune the trained weights little by little while training goes on."""
    from lamina.compression import deep_compression

    # the rows and checkpoints of a killed attempt go; fit cuts the rows when it finds no checkpoint
    shutil.rmtree(work.run.file("checkpoint") / "prune", ignore_errors=True)
    model = work.model(TRAINED)
    config = deep_compression.Config(density=work.settings.density, clusters=(work.settings.clusters,))
    retrain = _retrainer(work, "prune", work.settings.prune)
    densities = deep_compression.prune_stage(model, retrain=retrain, config=config)
    work.save(model, PRUNED)
    accuracy = _accuracy(work, model)
    kept = sum(int((p != 0).sum()) for p in model.parameters()) / sum(p.numel() for p in model.parameters())
    says = f"{kept:.1%} of the parameters are left, validation accuracy {accuracy:.2%}"
    return Done(outputs=[PRUNED], says=says, result={"validation_accuracy": accuracy, "densities": densities})


def share(work: Work) -> Done:
    """Share the weights that are left, retrain their values, and write the packed file: its bytes are the claim."""
    from dataclasses import asdict

    from lamina.compression import deep_compression, packed
    from lamina.core import files
    from lamina.ir import store, text
    from lamina.lowering import lower

    model = work.model(PRUNED)
    config = deep_compression.Config(density=work.settings.density, clusters=(work.settings.clusters,))
    retrain = _retrainer(work, "share", work.settings.share)
    clusters = deep_compression.share_stage(model, retrain=retrain, config=config)
    model.eval()
    network = lower(model, input_shape=work.module.INPUT_SHAPE, name=work.config.model)
    work.save(model, FINAL)
    data = packed.pack(text.print_file([network]), store.tensors([network]))
    files.write(work.run.file(PACKED), data)
    trained, pruned = work.model(TRAINED), work.model(PRUNED)
    table = [
        asdict(row)
        for row in deep_compression.stages(
            (trained, _accuracy(work, trained)), (pruned, _accuracy(work, pruned)), (model, _accuracy(work, model))
        )
    ]
    table[-1] |= {"bytes": len(data), "ratio": table[0]["bytes"] / len(data)}
    return Done(
        outputs=[FINAL, PACKED],
        says=f"packed into {si(len(data), 'B')}, {table[-1]['ratio']:.1f} times smaller than float32, "
        f"validation accuracy {table[-1]['accuracy']:.2%}",
        result={"stages": table, "packed": packed.sizes(data), "clusters": clusters},
    )


def _fit(work: Work, model: Any, stage: str, schedule: Schedule, after: Callable[[float], None] | None = None) -> Any:
    from lamina import training
    from lamina.recipes import _distortion

    config = training.FitConfig(
        epochs=schedule.epochs,
        batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate,
        weight_decay=schedule.weight_decay,
        optimiser="adamw",
    )
    seed = work.config.seed if stage == "train" else derive(work.config.seed, stage)
    return training.fit(
        model,
        work.data,
        out=work.run,
        config=config,
        loss=_distortion.loss(_distortion.Distortion()),
        seed=seed,
        after_update=after,
        stage=stage,
    )


def _retrainer(work: Work, stage: str, schedule: Schedule) -> Callable[..., None]:
    """What lamina.compression is handed: one `fit` of the run's stage `stage`."""

    def retrain(model: Any, *, after_update: Callable[[float], None]) -> None:
        _fit(work, model, stage, schedule, after_update)

    return retrain


def _accuracy(work: Work, model: Any) -> float:
    from lamina.training import evaluate

    return float(evaluate(model, work.data.validation)["accuracy"])
