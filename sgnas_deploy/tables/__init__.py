"""Latency tables: measured block times of a space on a device, and what they predict.

`read` and `write` files, `predictor` turns a table into predictions. How tables are measured is
the business of `measuring` and `pipeline.profile`.
"""

from sgnas_deploy.tables.codec import (
    encode,
    json_schema,
    migrate,
    read,
    sha256,
    write,
    write_json_schema,
)
from sgnas_deploy.tables.format import SCHEMA_VERSION, LatencyTable, table_name
from sgnas_deploy.tables.predictor import Predictor, predictor

__all__ = [
    "SCHEMA_VERSION",
    "LatencyTable",
    "Predictor",
    "encode",
    "json_schema",
    "migrate",
    "predictor",
    "read",
    "sha256",
    "table_name",
    "write",
    "write_json_schema",
]
