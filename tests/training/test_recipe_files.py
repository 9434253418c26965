"""Recipe files: the shipped ones hold what the code held before, and a user's says what differs."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sgnas_deploy import spaces
from sgnas_deploy.data import DataSet
from sgnas_deploy.errors import BadInput
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.training import recipe_files, recipes
from sgnas_deploy.training.recipes import Augmentation, RetrainRecipe, SupernetRecipe
from tests.training.sources import source

SUPERNETS = {
    "tiny": SupernetRecipe(
        epochs=24,
        batch=32,
        optimizer="adamw",
        passes=2,
        lr=4e-3,
        weight_decay=0.01,
        warmup=0.15,
        augmentation="crop",
    ),
    "nasbench201": SupernetRecipe(
        epochs=30,
        batch=128,
        optimizer="adamw",
        passes=1,
        lr=3e-3,
        weight_decay=0.02,
        warmup=0.1,
        label_smoothing=0.0,
        augmentation="crop",
    ),
    "cifar": SupernetRecipe(epochs=50, batch=64, lr=0.064, augmentation="crop"),
    "imagenet": SupernetRecipe(epochs=50, batch=64, lr=0.064, dropout=0.2, augmentation="crop"),
}

RETRAININGS = {
    "tiny": RetrainRecipe(
        epochs=12,
        batch=32,
        optimizer="adamw",
        lr=4e-3,
        weight_decay=0.02,
        warmup=0.15,
        ema=0.99,
        augmentation="crop",
    ),
    "nasbench201": RetrainRecipe(
        epochs=200,
        batch=256,
        optimizer="nesterov",
        lr=0.1,
        weight_decay=5e-4,
        warmup=0.0,
        label_smoothing=0.0,
        augmentation="crop",
    ),
    "cifar": RetrainRecipe(
        epochs=200,
        batch=96,
        optimizer="sgd",
        lr=0.05,
        weight_decay=3e-4,
        dropout=0.2,
        ema=0.999,
        clip_norm=5.0,
        augmentation="crop",
    ),
    "imagenet": RetrainRecipe(
        epochs=350,
        batch=128,
        optimizer="rmsproptf",
        lr=0.008,
        weight_decay=1e-5,
        dropout=0.2,
        ema=0.9999,
        mixup=0.1,
        augmentation="crop",
    ),
}


PROBES = Recipe(taught_by="probes")


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return str(path)


def small() -> DataSet:
    return source(32)


def test_there_is_a_recipe_for_every_space() -> None:
    assert recipe_files.names() == spaces.names()


@pytest.mark.parametrize("name", sorted(SUPERNETS))
def test_supernets_are_trained_as_before_there_were_files(name: str) -> None:
    assert recipes.supernet(spaces.load(name), small()) == SUPERNETS[name]


@pytest.mark.parametrize("name", sorted(RETRAININGS))
def test_networks_are_trained_as_before_there_were_files(name: str) -> None:
    assert recipes.retraining(spaces.load(name), small()) == RETRAININGS[name]


def test_large_photographs_get_more() -> None:
    found = recipes.retraining(spaces.load("imagenet"), source(224))
    assert found == dataclasses.replace(
        RETRAININGS["imagenet"], augmentation="timm", randaugment="rand-m9-mstd0.5", erasing=0.2
    )


@pytest.mark.parametrize("name", sorted(SUPERNETS))
def test_probes_teach_the_generators_of_mixed_spaces(name: str) -> None:
    expected = Recipe() if name == "nasbench201" else PROBES
    assert recipes.generator(spaces.load(name)) == expected


@pytest.mark.parametrize("name", sorted(SUPERNETS))
def test_settings_have_the_types_that_they_had(name: str) -> None:
    """They are compared as JSON with what stands in older checkpoints."""
    space = spaces.load(name)
    for new, old in (
        (recipes.supernet(space, small()), SUPERNETS[name]),
        (recipes.retraining(space, small()), RETRAININGS[name]),
    ):
        assert repr(new) == repr(old)


def test_a_space_without_a_recipe_has_that_of_imagenet() -> None:
    found = recipe_files.section("supernet", "other+r64", None, SupernetRecipe, augmentation="crop")
    assert found == SUPERNETS["imagenet"]


def test_a_file_says_what_differs(tmp_path: Path) -> None:
    own = written(
        tmp_path,
        """
        [supernet]
        epochs = 3
        lr = 1          # a whole number will do
        clip_norm = 2.5

        [retrain]
        ema = "none"
        distill = 0.5
        inherit = true

        [generator]
        priors = 1
        expected_under = "gates"
        betas = [0.9, 0.99]
        """,
    )
    space = spaces.load("tiny")
    assert recipes.supernet(space, small(), own) == dataclasses.replace(
        SUPERNETS["tiny"], epochs=3, lr=1.0, clip_norm=2.5
    )
    assert recipes.retraining(space, small(), own) == dataclasses.replace(
        RETRAININGS["tiny"], ema=None, distill=0.5, inherit=True
    )
    expected = PROBES.model_copy(
        update={"priors": 1, "expected_under": "gates", "betas": (0.9, 0.99)}
    )
    assert recipes.generator(space, own) == expected


def test_a_section_that_is_not_there_is_the_space_s_own(tmp_path: Path) -> None:
    own = written(tmp_path, "[retrain]\nepochs = 1\n")
    assert recipes.supernet(spaces.load("cifar"), small(), own) == SUPERNETS["cifar"]


def test_another_space_s_recipe_is_taken_whole() -> None:
    found = recipes.supernet(spaces.load("tiny"), small(), "cifar")
    assert found == SUPERNETS["cifar"]


@pytest.mark.parametrize("augmentation", ["affine", "crop", "timm"])
def test_a_file_may_name_the_augmentation(tmp_path: Path, augmentation: Augmentation) -> None:
    own = written(tmp_path, f'[retrain]\naugmentation = "{augmentation}"\nerasing = 0.1\n')
    found = recipes.retraining(spaces.load("tiny"), small(), own)
    assert found.augmentation == augmentation
    assert found.erasing == (0.1 if augmentation == "timm" else 0.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[supernet]\nepochz = 3\n",
            r"\[supernet\] in .*own\.toml .* unknown setting 'epochz'",
        ),
        ("[retraining]\nepochs = 3\n", "no section of a recipe: retraining"),
        ("epochs = 3\n", "no section of a recipe: epochs"),
        ("[supernet]\nepochs = 0\n", "epochs: input should be greater than or equal to 1"),
        ("[supernet]\nepochs = 2.5\n", "epochs: "),
        ("[supernet]\nepochs = '3'\n", "epochs: input should be a valid integer"),
        ("[supernet]\nlr = inf\n", "lr: input should be a finite number"),
        ("[supernet]\nlr = nan\n", "lr: "),
        ("[supernet]\nlr = -0.1\n", "lr: input should be greater than 0"),
        ("[supernet]\nlr = 'none'\n", "lr: "),
        ("[supernet]\noptimizer = 'adam'\n", "optimizer: input should be 'sgd' or 'adamw'"),
        ("[supernet]\naugmentation = 'none'\n", "augmentation: "),
        ("[supernet]\nlr = 1979-05-27\n", "lr: "),
        ("[supernet]\nprecision = 'fp8'\n", "precision: "),
        ("[supernet\n", r"own\.toml is no TOML file"),
        ("\xff", "no TOML file"),
    ],
)
def test_what_is_no_recipe_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match=message):
        recipes.supernet(spaces.load("tiny"), small(), str(path))


def test_the_known_settings_are_named(tmp_path: Path) -> None:
    own = written(tmp_path, "[generator]\nlr = 1\n")
    with pytest.raises(BadInput) as refused:
        recipes.generator(spaces.load("tiny"), own)
    assert refused.value.cure is not None
    assert "learning_rate" in refused.value.cure


def test_a_recipe_that_is_not_there() -> None:
    with pytest.raises(BadInput, match="no recipe 'cifar100'") as refused:
        recipes.generator(spaces.load("tiny"), "cifar100")
    assert refused.value.cure is not None
    assert "cifar, imagenet, nasbench201, tiny" in refused.value.cure


def test_what_is_asked_before_a_training_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from sgnas_deploy import spaces\n"
        "from sgnas_deploy.training import logs, recipes, watching\n"
        "recipes.generator(spaces.load('tiny'))\n"
        "watching.Watch(logs=('csv', 'tensorboard'))\n"
        "logs.open_log('tensorboard', watching.Path(sys.argv[1]), 0).close()\n"
        "assert not {'torch', 'timm', 'tensorboard'} & set(sys.modules)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", code, f"{folder}/a.checkpoint"], check=True)
