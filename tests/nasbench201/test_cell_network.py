"""The deployed cell: emitted graph against PyTorch, and against the supernet it is cut from."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from sgnas_deploy import emitter, spaces, supernet
from sgnas_deploy.spaces import Space
from sgnas_deploy.spaces.cell import canonical_networks

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")

from sgnas_deploy.networks.deployed import DeployedNetwork, fold  # noqa: E402

LIMIT = 5e-6
"""Largest difference of a logit, as a share of the largest one; seen: up to 7e-7."""


def randomised(space: Space, options: tuple[int, ...], seed: int) -> DeployedNetwork:
    torch.manual_seed(seed)
    network = DeployedNetwork(space, options)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def session(model: bytes) -> object:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("identifier", ["nasbench201+r16+n1", "nasbench201+r20+c3+w4+n2"])
def test_the_emitted_network_computes_what_pytorch_does(identifier: str) -> None:
    space = spaces.load(identifier)
    rng = np.random.default_rng(0)
    some = [tuple(o) for o in rng.permutation(canonical_networks())[:24].tolist()]
    for i, options in enumerate([*some, (4, 4, 4, 4, 4, 4), (0, 0, 0, 1, 0, 0)]):
        network = randomised(space, options, i)
        images = rng.standard_normal((2, 3, space.resolution, space.resolution), np.float32)
        model = emitter.emit_network(space, options, emitter.FORMS[i % 4], 2, fold(network))
        onnx.checker.check_model(model, full_check=True)
        (logits,) = session(model.SerializeToString()).run(["logits"], {"images": images})  # type: ignore[attr-defined]
        with torch.inference_mode():
            reference = network(torch.from_numpy(images)).numpy()
        assert np.abs(logits - reference).max() <= LIMIT * np.abs(reference).max(), options


def test_every_block_alone_is_a_valid_model() -> None:
    space = spaces.load("nasbench201+r16+n2")
    for block in spaces.all_blocks(space):
        model = emitter.emit_block(block, "concat", 1)
        onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
        x = np.zeros((1, *block.input_shape), np.float32)
        (y,) = session(model).run(None, {"input": x})  # type: ignore[attr-defined]
        assert y.shape == (1, *block.output_shape)


def test_only_live_edges_are_deployed() -> None:
    space = spaces.load("nasbench201+n1")
    model = emitter.emit_network(space, (0, 0, 0, 3, 0, 0), "concat", 1)
    kinds = [node.op_type for node in model.graph.node]
    # The stem, three cells of one convolution, two reductions of three, the head's scale.
    assert kinds.count("Conv") == 1 + 3 + 6 + 1
    assert kinds.count("Add") == 2


def test_convolutions_of_a_node_share_one_relu() -> None:
    space = spaces.load("nasbench201+n1")
    model = emitter.emit_network(space, (3,) * 6, "concat", 1)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Relu") == 3 * 3 + 2 * 2 + 1


def test_pooling_does_not_count_what_lies_outside() -> None:
    space = spaces.load("nasbench201+n1")
    model = emitter.emit_network(space, (0, 0, 0, 4, 0, 0), "concat", 1)
    pools = [n for n in model.graph.node if n.op_type == "AveragePool" and "edge" in n.name]
    assert len(pools) == 3
    for node in pools:
        [include] = [a.i for a in node.attribute if a.name == "count_include_pad"]
        assert include == 0


@pytest.mark.parametrize("options", [(3,) * 6, (2, 4, 1, 3, 0, 2), (0, 3, 0, 4, 0, 1)])
def test_inherited_weights_compute_what_the_supernet_does(options: tuple[int, ...]) -> None:
    space = spaces.load("nasbench201+r16+w4+n1")
    torch.manual_seed(0)
    source = supernet.build(space)
    network = DeployedNetwork(space, options)
    missing, unexpected = network.load_state_dict(source.inherited(options), strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    images = torch.randn(8, 3, 16, 16)
    # Batch statistics on both sides.
    with torch.no_grad():
        own = network.train()(images)
        theirs = source.eval()(images, source.choice_of(options))
    assert torch.allclose(own, theirs, atol=1e-4 * float(theirs.abs().max()))


def test_the_heads_placeholder_stays_the_identity() -> None:
    network = DeployedNetwork(spaces.load("nasbench201+n1"), (3,) * 6)
    weight = network.get_submodule("head.norm.conv").weight
    assert isinstance(weight, torch.nn.Parameter)
    assert not weight.requires_grad
    assert weight.unique().tolist() == [1.0]
