"""Bottom-up targets and losses against loops, and a network that learns a few scenes by them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from litepose_edge import COCO_17  # noqa: E402
from litepose_edge.decoding import associative, peaks  # noqa: E402
from litepose_edge.manifest import BottomUpSpec  # noqa: E402
from litepose_export.models.architectures.litepose import Arch, Block, LitePose  # noqa: E402
from litepose_export.training.bottomup.associative_loss import (  # noqa: E402
    LossWeights,
    associative_loss,
    heat_loss,
    scene_heatmaps,
    tag_loss,
)


def scene(rng, images, people, joints, height, width):
    """Points partly beside the input, partly not labelled."""
    points = rng.uniform(-0.1, 1.1, (images, people, joints, 2)) * [width, height]
    labelled = rng.uniform(size=(images, people, joints)) < 0.7
    return torch.tensor(points, dtype=torch.float32), torch.tensor(labelled)


def loss_of_one_image(tags, points, labelled, stride):
    """Push and pull as published, person by person and pair by pair; `(K, h, w)` tags."""
    means, pulls = [], []
    for person, known in zip(points, labelled, strict=True):
        found = []
        for joint, (x, y) in enumerate(person):
            column, row = math.floor(x / stride), math.floor(y / stride)
            inside = 0 <= column < tags.shape[2] and 0 <= row < tags.shape[1]
            if known[joint] and inside:
                found.append(float(tags[joint, row, column]))
        if found:
            means.append(sum(found) / len(found))
            pulls.append(sum((t - means[-1]) ** 2 for t in found) / len(found))
    count = len(means)
    pull = sum(pulls) / count if count else 0
    if count < 2:
        return 0, pull
    total = sum(math.exp(-((a - b) ** 2)) for a in means for b in means)
    return 0.5 * (total - count) / (count * (count - 1)), pull


@given(
    st.integers(0, 10_000), st.integers(0, 4), st.sampled_from([(64, 96), (128, 64), (256, 256)])
)
@settings(max_examples=40, deadline=None)
def test_push_and_pull_are_the_published_sums_at_every_size(seed, people, size):
    rng = np.random.default_rng(seed)
    height, width = size
    points, labelled = scene(rng, 2, people, 5, height, width)
    tags = torch.tensor(rng.normal(size=(2, 5, height // 4, width // 4)), dtype=torch.float32)
    push, pull = tag_loss(tags, points, labelled, size)
    expected = [
        loss_of_one_image(*parts, 4)
        for parts in zip(tags.numpy(), points.numpy(), labelled.numpy(), strict=True)
    ]
    assert float(push) == pytest.approx(np.mean([p for p, _ in expected]), abs=1e-5)
    assert float(pull) == pytest.approx(np.mean([p for _, p in expected]), abs=1e-5)


@pytest.mark.parametrize("side", [128, 256, 448, 512])
def test_tags_are_read_where_the_joints_are_whatever_the_input(side):
    """The reference's index fits inputs of 512 pixels only."""
    rng = np.random.default_rng(side)
    points = torch.tensor(rng.uniform(0, side - 1, (1, 3, 17, 2)), dtype=torch.float32)
    tags = torch.full((1, 17, side // 4, side // 4), 99.0)
    for person in range(3):
        for joint in range(17):
            x, y = points[0, person, joint]
            tags[0, joint, int(y) // 4, int(x) // 4] = 10.0 * person
    push, pull = tag_loss(tags, points, torch.ones((1, 3, 17), dtype=torch.bool), (side, side))
    shared = len({(j, int(y) // 4, int(x) // 4) for p in points[0] for j, (x, y) in enumerate(p)})
    assert shared == 51
    assert float(pull) == 0
    assert float(push) < 1e-6


def test_no_people_cost_nothing_and_alike_people_cost_a_half():
    tags = torch.zeros((1, 17, 8, 8), requires_grad=True)
    no_one = torch.zeros((1, 2, 17), dtype=torch.bool)
    points = torch.rand((1, 2, 17, 2)) * 31
    push, pull = tag_loss(tags, points, no_one, (32, 32))
    assert push.item() == pull.item() == 0
    push, pull = tag_loss(tags, points, ~no_one, (32, 32))
    assert push.item() == pytest.approx(0.5)
    assert pull.item() == 0
    push.backward()
    assert torch.isfinite(tags.grad).all()


@given(st.integers(0, 10_000), st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_heatmaps_are_the_highest_gaussian_of_anybody(seed, people):
    rng = np.random.default_rng(seed)
    cells = torch.tensor(rng.integers(0, [20, 24], (1, people, 3, 2)))
    inside = torch.tensor(rng.uniform(size=(1, people, 3)) < 0.7)
    maps = scene_heatmaps(cells, inside, 24, 20).numpy()[0]
    for joint in range(3):
        for y in range(24):
            for x in range(20):
                value = 0.0
                for person in range(people):
                    column, row = cells[0, person, joint].tolist()
                    near = abs(column - x) <= 7 and abs(row - y) <= 7
                    if inside[0, person, joint] and near:
                        squared = (column - x) ** 2 + (row - y) ** 2
                        value = max(value, math.exp(-squared / 8))
                assert maps[joint, y, x] == pytest.approx(value, abs=1e-6)


def test_the_total_weighs_the_parts_as_published():
    rng = np.random.default_rng(0)
    points, labelled = scene(rng, 2, 3, 17, 64, 64)
    coarse, fine = torch.randn((2, 34, 16, 16)), torch.randn((2, 17, 32, 32))
    counted = torch.ones((2, 64, 64))
    loss = associative_loss(coarse, fine, points, labelled, counted)
    heat = heat_loss(coarse[:, :17], points, labelled, counted)
    heat += heat_loss(fine, points, labelled, counted)
    push, pull = tag_loss(coarse[:, 17:], points, labelled, (64, 64))
    expected = float(heat) + 1e-3 * float(push) + 1e-3 * float(pull)
    assert float(loss.total) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("positive", [0.0, 8.0, 20.0])
@pytest.mark.parametrize("probability", [0.05, 0.1, 0.5, 0.9])
def test_a_doubtful_joint_costs_least_at_the_heat_that_the_threshold_is_set_by(
    positive, probability
):
    """A joint that is there in one scene of so many, and a network that cannot tell."""
    scenes = 200
    labelled = torch.zeros((scenes, 1, 1), dtype=torch.bool)
    labelled[: round(probability * scenes)] = True
    points = torch.full((scenes, 1, 1, 2), 2.0)
    counted = torch.ones((scenes, 4, 4))
    bell = scene_heatmaps(torch.tensor([[[[0, 0]]]]), torch.tensor([[[True]]]), 1, 1)

    def cost(heat):
        maps = bell.expand(scenes, 1, 1, 1) * heat
        return float(heat_loss(maps, points, labelled, counted, positive))

    heats = np.linspace(0, 1, 501)
    best = heats[np.argmin([cost(heat) for heat in heats])]
    assert LossWeights(positive=positive).heat_of(probability) == pytest.approx(best, abs=3e-3)


def test_the_default_weights_are_the_published_ones():
    assert LossWeights() == LossWeights(positive=0.0, tags=1e-3)
    assert LossWeights().heat_of(0.1) == pytest.approx(0.1)


def test_what_is_not_counted_costs_nothing():
    points = torch.tensor([[[[10.0, 10.0]], [[50.0, 40.0]]]])
    labelled = torch.tensor([[[True], [False]]])
    target = scene_heatmaps(torch.tensor([[[[2, 2]]]]), torch.tensor([[[True]]]), 16, 16)
    guess = target.clone()
    guess[0, 0, 10:, 12:] = 1.0
    counted = torch.ones((1, 64, 64))
    assert float(heat_loss(target, points, labelled, counted)) == 0
    assert float(heat_loss(guess, points, labelled, counted)) == pytest.approx(24 / 256)
    counted[:, 40:, 48:] = 0
    assert float(heat_loss(guess, points, labelled, counted)) == 0


FIGURE = np.array(
    [
        (0, -20), (2, -22), (-2, -22), (4, -20), (-4, -20), (7, -12), (-7, -12), (11, -4),
        (-11, -4), (12, 4), (-12, 4), (5, 5), (-5, 5), (6, 16), (-6, 16), (7, 26), (-7, 26),
    ],
    np.float64,
)  # fmt: skip


def drawn_scenes(rng, count):
    """Pictures of two stick figures each, `(N, 3, 64, 96)`, and their points."""
    pictures, points = [], []
    for _ in range(count):
        places = np.array([[24, rng.uniform(26, 34)], [72, rng.uniform(26, 34)]])
        people = FIGURE[None] * rng.uniform(0.8, 1, (2, 1, 1)) + places[:, None]
        picture = rng.integers(0, 40, (64, 96, 3), np.uint8)
        for person in people:
            for i, (first, second) in enumerate(COCO_17.bones):
                colour = tuple(int(v) for v in np.random.default_rng(i).integers(120, 256, 3))
                ends = [tuple(person[j].round().astype(int).tolist()) for j in (first, second)]
                cv2.line(picture, *ends, colour, 2)
        pictures.append(picture.transpose(2, 0, 1) / 128 - 1)
        points.append(people)
    return (
        torch.tensor(np.stack(pictures), dtype=torch.float32),
        torch.tensor(np.stack(points), dtype=torch.float32),
    )


def test_a_small_network_learns_scenes_that_decode_to_the_right_people():
    torch.manual_seed(2)
    pictures, points = drawn_scenes(np.random.default_rng(2), 2)
    labelled = torch.ones(points.shape[:3], dtype=torch.bool)
    counted = torch.ones((len(pictures), 64, 96))
    network = LitePose(Arch(16, (16, 24, 32, 32), (24, 24, 24), ((Block(2, 3),),) * 4))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    steps = 500
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 1e-2 * (1 - step / steps)
        loss = associative_loss(*network(pictures), points, labelled, counted)
        optimiser.zero_grad()
        # Tags weigh more than published: there are hundreds of steps, not hundreds of epochs.
        (loss.heat + 0.02 * (loss.push + loss.pull)).backward()
        optimiser.step()
    with torch.no_grad():
        coarse, fine = (output.numpy() for output in network(pictures))
    spec = BottomUpSpec(coarse="coarse", fine="fine", skeleton=COCO_17)
    for maps, sharp, truth in zip(coarse, fine, points.numpy(), strict=True):
        heat = peaks.average_heatmaps(maps[:17], sharp)
        people = associative.find_people(heat, maps[None, 17:], spec)
        sure = people.scores > 0.3
        assert sure.sum() == 2
        places = (people.cells[sure] + 0.5) * 2
        near = np.abs(places[:, None] - truth[None]).max(axis=3) <= 4
        joints = near.sum(axis=2)
        # Of 17; the tag of a peak one cell off is one that so short a training left open.
        assert joints.max(axis=1).min() >= 15
        assert sorted(joints.argmax(axis=1).tolist()) == [0, 1]
