"""Real images for an export: to calibrate on, and to compare on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy import data
from sgnas_deploy.data import DataSet, Images, Preprocessing
from sgnas_deploy.data.batches import to_array
from sgnas_deploy.emitter.weights import Array
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.events import Reporter, Warned, stage
from sgnas_deploy.models import Calibration, ModelFile
from sgnas_deploy.precision import calibrate

CALIBRATION_IMAGES: Final = 256
HELD_OUT_IMAGES: Final = 1000
_SEED: Final = 0
_PART: Final = 32


@final
@dataclass(frozen=True)
class Seen:
    """What there is to look at; all None without data.

    Attributes:
        calibration: of the training part, (n, channels, height, width) normalised.
        held_out: that nothing was trained on.
        labels: classes of those; None where the data has other classes.
        source: which images those are, for people.
        made_from: the calibration, for the sidecar; None where it decides nothing.
    """

    calibration: Array | None = None
    held_out: Array | None = None
    labels: npt.NDArray[np.int64] | None = None
    source: str = ""
    made_from: Calibration | None = None


def find(model: ModelFile, spec: str | None, needed: bool, reporter: Reporter) -> Seen:
    """Images of the data that the model was trained on, or of other data.

    Args:
        model: the trained model.
        spec: other data, None for the model's own.
        needed: whether nothing can be done without.
        reporter: who listens.

    Raises:
        BadInput: the named data, or data that is needed, cannot be had.
    """
    side = model.preprocessing.resolution
    cure = "name a folder with images of the same kind: --calibration DATA"
    try:
        found = data.load(spec or model.data, side)
    except (BadInput, EnvironmentProblem) as error:
        if spec is not None:
            raise
        if needed:
            raise BadInput(
                f"the data that {model.name} was trained on cannot be had: {error.message}", cure
            ) from error
        reporter.event(Warned(f"{model.name} is compared on noise, not on data: {error.message}"))
        return Seen()
    if spec is None and found.fingerprint != model.data_fingerprint:
        text = f"the data {model.data!r} is not what {model.name} was trained on any more"
        if needed:
            raise BadInput(text, cure)
        reporter.event(Warned(f"{text}; compared is on noise"))
        return Seen()
    fits = found.classes == model.classes
    with stage(reporter, "reading images", None, "images") as progress:
        shown = _some(found.train, model.preprocessing, CALIBRATION_IMAGES)
        progress.advance(len(shown[0]))
        kept = _some(found.val, model.preprocessing, HELD_OUT_IMAGES)
        progress.advance(len(kept[0]))
    return Seen(
        calibration=shown[0],
        held_out=kept[0],
        labels=kept[1] if fits else None,
        source=f"{len(kept[0])} held-out images of {found.name}",
        made_from=_description(found, len(shown[0])) if needed else None,
    )


def _description(found: DataSet, images: int) -> Calibration:
    return Calibration(
        data=found.name,
        data_fingerprint=found.fingerprint,
        images=images,
        seed=_SEED,
        method=calibrate.METHOD,
    )


def _some(
    images: Images, preprocessing: Preprocessing, count: int
) -> tuple[Array, npt.NDArray[np.int64]]:
    """At most `count` images, always the same ones, and their classes."""
    chosen = np.random.default_rng(_SEED).permutation(len(images))[:count]
    chosen.sort()
    parts = [
        to_array(images, chosen[start : start + _PART], preprocessing)
        for start in range(0, len(chosen), _PART)
    ]
    return np.concatenate(parts), images.labels[chosen]
