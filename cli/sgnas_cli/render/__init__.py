"""Results to what the terminal shows: pure functions, one file a kind of result."""

from sgnas_cli.render.bench import benched
from sgnas_cli.render.demo import demonstrated
from sgnas_cli.render.devices import device_added, device_removed, device_tested, devices_listed
from sgnas_cli.render.doctor import diagnosed
from sgnas_cli.render.export import exported
from sgnas_cli.render.fit import fitted
from sgnas_cli.render.generate import generated
from sgnas_cli.render.lut import (
    table_checked,
    table_exported,
    table_migrated,
    tables_compared,
    tables_merged,
    tables_shown,
)
from sgnas_cli.render.profile import profiled
from sgnas_cli.render.report import reported
from sgnas_cli.render.retrain import retrained
from sgnas_cli.render.run import classified
from sgnas_cli.render.train import generator_trained, supernet_trained
from sgnas_cli.render.validate import validated

__all__ = [
    "benched",
    "classified",
    "demonstrated",
    "device_added",
    "device_removed",
    "device_tested",
    "devices_listed",
    "diagnosed",
    "exported",
    "fitted",
    "generated",
    "generator_trained",
    "profiled",
    "reported",
    "retrained",
    "supernet_trained",
    "table_checked",
    "table_exported",
    "table_migrated",
    "tables_compared",
    "tables_merged",
    "tables_shown",
    "validated",
]
