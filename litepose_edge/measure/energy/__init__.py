"""Energy of a stretch of work, by whatever meters a machine has."""

from litepose_edge.measure.energy.experiment import (
    EnergyFigures,
    joules_per_frame,
    on_battery,
    per_person,
)
from litepose_edge.measure.energy.find import find_meters
from litepose_edge.measure.energy.log import LogMeter
from litepose_edge.measure.energy.meter import (
    Energy,
    EnergyMeter,
    FoundMeters,
    MeterInfo,
    MissingMeter,
)
from litepose_edge.measure.energy.modelled import ModelledMeter

__all__ = [
    "Energy",
    "EnergyFigures",
    "EnergyMeter",
    "FoundMeters",
    "LogMeter",
    "MeterInfo",
    "MissingMeter",
    "ModelledMeter",
    "find_meters",
    "joules_per_frame",
    "on_battery",
    "per_person",
]
