"""A network as `sgnas retrain` leaves it, for exports by a real TensorRT."""

from __future__ import annotations

import pytest

from sgnas_deploy import architectures, files, models, spaces
from sgnas_deploy.architectures import Architecture
from sgnas_deploy.data import Preprocessing
from sgnas_deploy.workspace import Workspace

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

from sgnas_deploy.networks.deployed import DeployedNetwork  # noqa: E402

SPACE = "tiny+r16"
OPTIONS = (0, 40, 0, 0, 17, 0)


def weights(seed: int = 0, batches: int = 60) -> bytes:
    """Of a network that has seen a few batches."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = DeployedNetwork(spaces.load(SPACE), OPTIONS).train()
    for _ in range(batches):
        network(torch.randn(8, 3, 16, 16))
    return bytes(safetensors_torch.save(network.state_dict()))


def put(workspace: Workspace, content: bytes, seed: int = 0) -> None:
    """Weights as the network `net`, with their description."""
    path = workspace.models / "net.safetensors"
    files.write_bytes(path, content)
    model = models.ModelFile(
        name="net",
        architecture=architectures.describe("net", Architecture(SPACE, OPTIONS), None),
        weights_sha256=files.sha256_of(path),
        classes=tuple(str(digit) for digit in range(10)),
        preprocessing=Preprocessing(resolution=16, crop=1.0, mean=(0.5,) * 3, std=(0.5,) * 3),
        data="digits",
        data_fingerprint="0" * 64,
        recipe={},
        seed=seed,
        accuracy=0.1,
        images=100,
    )
    files.write_model(path.with_suffix(".json"), model)
    workspace.remember("retrain", ["net"])
