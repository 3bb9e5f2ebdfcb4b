"""Architectures as JSON: the published ones, those of searches, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

torch = pytest.importorskip("torch")

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.models import manifests, networks  # noqa: E402
from litepose_export.models.architecture_files import (  # noqa: E402
    litepose_arch,
    litepose_document,
    read_architecture,
)
from litepose_export.models.architectures.efficientpose import PUBLISHED  # noqa: E402
from litepose_export.models.architectures.litepose import ARCHS  # noqa: E402
from litepose_export.models.architectures.lrpose import ARCHS as LRPOSE  # noqa: E402


def published_search_xs():
    """As the reference's `mobile_configs/search-XS.json` is laid out."""
    stages = ((6, 2, 16), (8, 2, 32), (10, 2, 48), (10, 1, 80))
    return {
        "img_size": 256,
        "input_channel": 16,
        "deconv_setting": [16, 24, 24],
        "backbone_setting": [
            {"num_blocks": n, "stride": s, "channel": c, "block_setting": [[6, 7]] * n}
            for n, s, c in stages
        ],
    }


def test_a_published_document_is_the_network_of_the_catalogue():
    side, arch = ARCHS["litepose-xs"]
    assert litepose_arch(published_search_xs()) == (arch, Size(side, side))


@pytest.mark.parametrize("name", ARCHS)
def test_documents_go_there_and_back(name):
    side, arch = ARCHS[name]
    for size in (Size(side, side), Size(192, 256)):
        document = json.loads(json.dumps(litepose_document(arch, size)))
        assert litepose_arch(document) == (arch, size)
    assert litepose_document(*litepose_arch(published_search_xs())) == published_search_xs()


@pytest.mark.parametrize(
    ("family", "arch", "name"),
    [
        ("lrpose", LRPOSE["n"], "lrpose-n"),
        ("efficientpose", PUBLISHED["efficientpose-c"], "efficientpose-c"),
    ],
)
def test_a_file_names_a_network_as_the_catalogue_does(family, arch, name, tmp_path):
    path = tmp_path / "network.json"
    size = {"width": 96, "height": 128}
    path.write_text(json.dumps({"family": family, "input_size": size, **asdict(arch)}))
    entry = networks.find(str(path))
    assert (entry.family, entry.input_size) == (family, Size(96, 128))
    with torch.device("meta"):
        ours = entry.build(17, entry.input_size)
        theirs = networks.find(name).build(17, entry.input_size)
    shapes = [
        {name: tuple(tensor.shape) for name, tensor in each.state_dict().items()}
        for each in (ours, theirs)
    ]
    assert shapes[0] == shapes[1]
    assert networks.is_lrpose(str(path)) is (family == "lrpose")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"family": "vitpose", "input_size": {"width": 64, "height": 64}}',
        '{"family": "lrpose", "input_size": {"width": 64, "height": 64}, "trunk": 3}',
        json.dumps({**published_search_xs(), "deconv_setting": [16, 24]}),
        json.dumps({**published_search_xs(), "backbone_setting": []}),
    ],
)
def test_what_is_no_architecture_is_refused(content, tmp_path):
    path = tmp_path / "network.json"
    path.write_text(content)
    with pytest.raises(ExportError, match=r"network\.json"):
        read_architecture(path)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(ExportError, match="cannot read the architecture"):
        networks.find(str(tmp_path / "none.json"))


def found_lrpose(path):
    size = {"width": 96, "height": 128}
    path.write_text(json.dumps({"family": "lrpose", "input_size": size, **asdict(LRPOSE["s"])}))
    return networks.find(str(path))


def test_a_file_called_as_one_of_our_networks_gets_nothing_of_what_is_known_of_it(tmp_path):
    mine, named_like_ours = (found_lrpose(tmp_path / f"{stem}.json") for stem in ("mine", "s"))
    plain, other = (manifests.manifest(entry, 17) for entry in (mine, named_like_ours))
    assert (other.model, other.training) == (plain.model, plain.training)
    assert other.model.min_pose_score == 0.5
    assert other.training.licence == ""
    with pytest.raises(ExportError, match="leave `released` out"):
        manifests.manifest(named_like_ours, 17, released=True)


def test_a_file_called_as_a_published_network_does_not_tell_the_channel_order(tmp_path):
    path = tmp_path / "a.json"
    size = {"width": 192, "height": 256}
    arch = asdict(PUBLISHED["efficientpose-a"])
    path.write_text(json.dumps({"family": "efficientpose", "input_size": size, **arch}))
    with pytest.raises(ExportError, match="--colour"):
        manifests.manifest(networks.find(str(path)), 17)


def test_a_file_called_as_a_network_of_the_catalogue_may_describe_another(tmp_path):
    path = tmp_path / "xs.json"
    other = replace(ARCHS["litepose-xs"][1], stem=24)
    path.write_text(json.dumps(litepose_document(other, Size(128, 128))))
    entry = networks.find(str(path))
    networks.check_arch(entry, entry.build(17, entry.input_size).state_dict())
