"""EfficientPose's search space: stages of fixed width, in each layer a block's kernel and growth.

The search's code was never published (hustvl/EfficientPose, issue 1). The space is read from the
published networks: widths, depths and strides of the stages are fixed; each layer is an inverted
residual with kernel 3, 5 or 7 and growth 3 or 6; a layer that keeps the shape may be left out.
Networks B and C are of one layout, A is of the other. Stem and head are fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from litepose_edge.geometry import Size
from litepose_export.errors import SearchError
from litepose_export.models.architectures.efficientpose import (
    PUBLISHED,
    STRIDES,
    Arch,
    Block,
    EfficientPose,
    InvertedResidual,
)
from litepose_export.search.space import Choice, Genes, Operator, Space, distinct

KERNELS, EXPANSIONS = (3, 5, 7), (3, 6)
BLOCKS = tuple(Block(kernel, expand) for expand in EXPANSIONS for kernel in KERNELS)
SKIP = "skip"
COCO_KEYPOINTS, PORTRAIT, MULTIPLE = 17, Size(192, 256), 16


@dataclass(frozen=True, slots=True)
class Layer:
    """One place of a network.

    Attributes:
        stage: Which stage it is in, from 0.
        index: Its place in the stage, from 0.
        inputs: Channels it takes.
        outputs: Channels it gives.
        stride: 1 or 2.
        shrink: Pixels of the network's input to one of the layer's, along a side.
        blocks: What it chooses among; None leaves it out.
    """

    stage: int
    index: int
    inputs: int
    outputs: int
    stride: int
    shrink: int
    blocks: tuple[Block | None, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What all networks of a space share.

    Attributes:
        stem: Channels after the stem.
        channels: Of each stage.
        depths: Layers of each stage, left-out ones counted.
    """

    stem: int
    channels: tuple[int, ...]
    depths: tuple[int, ...]

    def layers(self, blocks: Sequence[Block]) -> tuple[Layer, ...]:
        """Every layer, in order."""
        found: list[Layer] = []
        inputs, shrink = self.stem, 2
        stages = zip(self.channels, self.depths, STRIDES, strict=True)
        for stage, (outputs, depth, first) in enumerate(stages):
            for index in range(depth):
                stride = first if index == 0 else 1
                keeps = stride == 1 and inputs == outputs
                options = (*([None] if keeps else []), *blocks)
                found.append(Layer(stage, index, inputs, outputs, stride, shrink, options))
                inputs, shrink = outputs, shrink * stride
        return tuple(found)


def _layout(name: str) -> Layout:
    arch = PUBLISHED[name]
    return Layout(arch.stem, arch.channels, tuple(map(len, arch.stages)))


LAYOUTS: dict[str, Layout] = {"a": _layout("efficientpose-a"), "b": _layout("efficientpose-b")}


class EfficientPoseSpace(Space):
    """EfficientPose's space.

    Args:
        layout: `"a"`, `"b"` (also C's), or one's own.
        keypoints: How many the networks find.
        size: Of their input.
        blocks: Operators of every layer, besides leaving it out where that is possible.

    Raises:
        SearchError: There is no such layout, or the input is no multiple of 16.
    """

    name = "efficientpose"

    def __init__(
        self,
        layout: str | Layout = "a",
        keypoints: int = COCO_KEYPOINTS,
        size: Size = PORTRAIT,
        blocks: Sequence[Block] = BLOCKS,
    ) -> None:
        if isinstance(layout, str):
            if layout not in LAYOUTS:
                raise SearchError(f"the layout is one of {', '.join(LAYOUTS)}, got {layout!r:.40}")
            layout = LAYOUTS[layout]
        if size.width % MULTIPLE or size.height % MULTIPLE:
            raise SearchError(
                f"the input's sides must be multiples of {MULTIPLE}, got {size.width}x{size.height}"
            )
        self.layout, self.keypoints, self._size = layout, keypoints, size
        self.layers = layout.layers(blocks)
        self.choices = tuple(
            Choice(
                f"stage_{layer.stage + 1}.{layer.index + 1}",
                tuple(_text(block) for block in layer.blocks),
            )
            for layer in self.layers
        )

    def arch(self, genes: Genes) -> Arch:
        """The architecture of genes."""
        self.check(genes)
        chosen = [layer.blocks[gene] for layer, gene in zip(self.layers, genes, strict=True)]
        stages, start = [], 0
        for depth in self.layout.depths:
            stages.append(tuple(chosen[start : start + depth]))
            start += depth
        return Arch(self.layout.stem, self.layout.channels, tuple(stages))

    def genes_of(self, arch: Arch) -> Genes:
        """The genes of an architecture.

        Raises:
            SearchError: It is not of this space.
        """
        found = Layout(arch.stem, arch.channels, tuple(map(len, arch.stages)))
        if found != self.layout:
            raise SearchError(f"expected a network of {self.layout}, got one of {found}")
        texts = [_text(block) for stage in arch.stages for block in stage]
        return self.encode({c.name: text for c, text in zip(self.choices, texts, strict=True)})

    def uniform(self, kernel: int = 3, expand: int = 6) -> Genes:
        """The network of one block everywhere."""
        return tuple(layer.blocks.index(Block(kernel, expand)) for layer in self.layers)

    def build(self, genes: Genes) -> EfficientPose:
        """A new network."""
        return EfficientPose(self.arch(genes), self.keypoints)

    def input_size(self, genes: Genes) -> Size:
        """What all of them take."""
        self.check(genes)
        return self._size

    def architecture(self, genes: Genes) -> dict[str, Any]:
        """The document that `models.architecture_files` reads."""
        return {
            "family": self.name,
            "input_size": asdict(self.input_size(genes)),
            **asdict(self.arch(genes)),
        }

    def operators(self, genes: Genes) -> tuple[Operator, ...]:
        """Stem, blocks, head."""
        self.check(genes)
        found = [
            self.operator(layer, block)
            for layer, gene in zip(self.layers, genes, strict=True)
            if (block := layer.blocks[gene]) is not None
        ]
        return (self.stem, *found, self.head)

    def all_operators(self) -> tuple[Operator, ...]:
        """Stem, every block of every layer, head."""
        found = [
            self.operator(layer, block)
            for layer in self.layers
            for block in layer.blocks
            if block is not None
        ]
        return distinct((self.stem, *found, self.head))

    def operator(self, layer: Layer, block: Block) -> Operator:
        """A block at a layer's place."""
        height, width = self._size.height // layer.shrink, self._size.width // layer.shrink
        inputs, outputs, stride = layer.inputs, layer.outputs, layer.stride
        return Operator(
            f"ir k{block.kernel} e{block.expand} {inputs}-{outputs} /{stride}",
            ((inputs, height, width),),
            lambda: InvertedResidual(inputs, outputs, stride, block),
        )

    @property
    def stem(self) -> Operator:
        """What reads the image."""
        return Operator(
            f"stem {self.layout.stem}",
            ((3, self._size.height, self._size.width),),
            lambda: self._shared().first,
            is_first=True,
        )

    @property
    def head(self) -> Operator:
        """Slim head, spatial information correction and predictions."""
        channels = self.layout.channels[-1]
        place = (self._size.height // MULTIPLE, self._size.width // MULTIPLE)
        return Operator(
            f"slim head {channels}-{self.keypoints}",
            ((channels, *place),),
            lambda: _Head(self._shared()),
            is_last=True,
        )

    def _shared(self) -> EfficientPose:
        """A new network for its stem and its head alone."""
        return EfficientPose(self.arch(self.smallest), self.keypoints)


def _text(block: Block | None) -> str:
    return SKIP if block is None else f"{block.kernel}/{block.expand}"


class _Head(nn.Module):
    """What stands behind EfficientPose's trunk."""

    def __init__(self, network: EfficientPose) -> None:
        super().__init__()
        self.network = network
        del network.first, network.blocks

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, K, 4H, 4W)`."""
        maps: Tensor = self.network.final(self.network.deconv_layers(x))
        return maps

    def rewrite_deconvolutions(self) -> None:
        """In their INT8 form, as the network does it."""
        self.network.rewrite_deconvolutions()
