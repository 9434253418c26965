"""`sgnas run`: classify images with an exported network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sgnas_deploy import artefacts, files, runtime
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter, stage
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace


@dataclass(frozen=True)
class RunRequest:
    """Flags of `sgnas run`.

    Attributes:
        model: an exported file, or its name in the workspace.
        images: image files.
        top: how many classes of each image are told.
        threads: that a run may use.
    """

    model: str
    images: tuple[Path, ...]
    workdir: Path = DEFAULT_ROOT
    top: int = 5
    threads: int = 1


class Guess(files.FrozenModel):
    """One class of an image; the probability is the softmax of the logits."""

    label: str
    probability: float
    index: int


class Classified(files.FrozenModel):
    """The likeliest classes of one image, the likeliest first."""

    image: Path
    guesses: tuple[Guess, ...]


class RunResult(files.FrozenModel):
    """All images.

    Attributes:
        model: the file.
        sha256: of the file.
        engine: what executed it.
    """

    model: Path
    sha256: str
    engine: str
    images: tuple[Classified, ...]


def run(request: RunRequest, reporter: Reporter) -> RunResult:
    """Classify images one after the other.

    Raises:
        BadInput: no such model or image, one that cannot be read, a model's name that several
            files have, an engine that is stale or for another device.
        EnvironmentProblem: the model's runtime, or Pillow, is not installed, or there is no such
            device here.
    """
    if not request.images:
        raise BadInput("no image was named", "write it as in: sgnas run MODEL IMAGE")
    if request.top < 1:
        raise BadInput(f"--top must be at least 1, not {request.top}")
    path = artefacts.find(request.model, Workspace(request.workdir))
    found = []
    with (
        runtime.load(path, request.threads, reporter) as model,
        stage(reporter, "classifying", len(request.images), "images") as progress,
    ):
        for image in request.images:
            guesses = model.classify(image, request.top)
            found.append(
                Classified(
                    image=image,
                    guesses=tuple(
                        Guess(label=one.label, probability=one.probability, index=one.index)
                        for one in guesses
                    ),
                )
            )
            progress.advance(1)
        engine = model.engine
        sha256 = model.description.artefact_sha256
    return RunResult(model=path, sha256=sha256, engine=engine, images=tuple(found))
