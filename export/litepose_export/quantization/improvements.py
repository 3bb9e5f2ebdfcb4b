"""The steps after plain quantization that were asked for, each with its figures."""

from __future__ import annotations

import torch
from onnx import numpy_helper

from litepose_export.quantization.calibration import qdq
from litepose_export.quantization.calibration.clip_search import (
    BLENDS,
    least_error_ranges,
    search_ranges,
)
from litepose_export.quantization.optimize.bias_correction import correct_biases
from litepose_export.quantization.optimize.finetune import (
    FinetuneOptions,
    batch_for,
    finetune_to_float,
    mirrored_batches,
)
from litepose_export.quantization.optimize.gptq import round_weights
from litepose_export.quantization.optimize.simulation import LARGEST_CODE, QdqNetwork
from litepose_export.quantization.work import SEARCH_INPUTS, Work

CLIP_SEARCH_INPUTS, GPTQ_INPUTS = 16, 64


def improve(work: Work) -> None:
    """Clip search, GPTQ, fine-tuning, bias correction: what the options ask for, in this order."""
    options = work.options
    if options.clip_search:
        advance = work.started("clip search", len(BLENDS))
        narrow = least_error_ranges(
            work.prepared, work.ranges, work.calibration[:CLIP_SEARCH_INPUTS]
        )
        left, scheme, metric = work.float_nodes, options.scheme, work.error_metric()
        work.ranges, _ = search_ranges(
            work.ranges,
            narrow,
            lambda ranges: qdq.write_qdq(work.prepared, ranges, scheme, left),
            lambda model: metric(model).cost,
            advance,
        )
        work.encode()
        work.finish_step("clip search")
    if options.gptq:
        samples = work.calibration[:GPTQ_INPUTS]
        advance = work.started("GPTQ", len(work.prepared.graph.node) // 2)
        largest = LARGEST_CODE[options.scheme]
        work.quantized = round_weights(work.prepared, work.quantized, samples, largest, advance)
        work.finish_step("GPTQ")
    if options.finetune_steps:
        _finetune(work)
        work.finish_step("fine-tuning to the float outputs")
    if options.bias_correction:
        kinds = [node.op_type for node in work.quantized.graph.node]
        advance = work.started("correct biases", kinds.count("Conv"))
        samples = work.calibration[:SEARCH_INPUTS]
        work.quantized = correct_biases(work.prepared, work.quantized, samples, advance)
        work.finish_step("bias correction")


def _finetune(work: Work) -> None:
    options = work.options
    advance = work.started("fine-tune", options.finetune_steps)
    size = work.manifest.input.size
    settings = FinetuneOptions(
        steps=options.finetune_steps, batch=batch_for(size), end=work.known.end
    )
    start = {i.name: numpy_helper.to_array(i) for i in work.prepared.graph.initializer}
    if options.gptq:
        start = {}  # keep the codes that GPTQ chose
    network = QdqNetwork(work.quantized, LARGEST_CODE[options.scheme], start)
    threads = torch.get_num_threads()
    if work.batches is not None:
        batches = work.batches(settings.batch, work.manifest.input.size)
    else:
        batches = mirrored_batches(work.inputs, settings.batch)
        torch.set_num_threads(1)  # sums in another order would be other bytes
    try:
        finetune_to_float(
            network, work.float_model, work.manifest, batches, settings, lambda loss: advance()
        )
    finally:
        torch.set_num_threads(threads)
    work.quantized = network.to_model()
