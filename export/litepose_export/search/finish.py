"""The end of every search: the found network's files, the result and its report."""

from __future__ import annotations

import json
from dataclasses import replace

from torch import nn

from litepose_edge.atomic_files import write_file
from litepose_export.models.trained import TrainedAs
from litepose_export.search.costs.table import CostTable
from litepose_export.search.report import report_page
from litepose_export.search.result import SearchResult
from litepose_export.search.run_folder import COSTS, REPORT, RESULT, RunFolder
from litepose_export.training.core.checkpoint_file import write_checkpoint

NETWORK, WEIGHTS = "network.json", "network.pt"


def finish(
    folder: RunFolder,
    result: SearchResult,
    table: CostTable,
    network: nn.Module | None,
    trained: TrainedAs,
) -> None:
    """Write `network.json`, `network.pt`, `costs.json`, `result.json` and `report.html`.

    Args:
        folder: The search's.
        result: What was found.
        table: What operators cost.
        network: The found network with the weights it was judged with, to be fine-tuned from; None
            if it has none.
        trained: What an exporter must know of the network beside its architecture.

    Raises:
        OutputError: The folder cannot be written.
    """
    if network is not None:
        said = replace(trained, network=str(folder.path / NETWORK))
        state = {"average": network.state_dict(), "metadata": said.to_metadata()}
        write_checkpoint(state, folder.path / WEIGHTS)
    text = json.dumps(result.chosen.architecture, indent=1) + "\n"
    write_file(folder.path / NETWORK, text.encode())
    table.save(folder.path / COSTS)
    result.save(folder.path / RESULT)
    write_file(folder.path / REPORT, report_page(result, table).encode())
