"""Messages as Debezium's PostgreSQL connector writes them, of a table of benches.

The form is that of its documentation (Debezium 3: "Data change events"), JSON converter, with
`schemas.enable` or without; the values are ours.
"""

from __future__ import annotations

import json
from typing import Any

Row = dict[str, Any]
NAME = "sig.public.bancs"
_ROW_FIELDS = [
    {"type": "string", "optional": False, "field": "id"},
    {"type": "int32", "optional": True, "field": "places"},
    {"type": "string", "optional": True, "field": "agent"},
]
_VALUE = {"type": "struct", "fields": _ROW_FIELDS, "optional": True, "name": f"{NAME}.Value"}
_SCHEMA = {
    "type": "struct",
    "fields": [
        {**_VALUE, "field": "before"},
        {**_VALUE, "field": "after"},
        {
            "type": "struct",
            "fields": [
                {"type": "string", "optional": False, "field": "version"},
                {"type": "string", "optional": False, "field": "connector"},
                {"type": "int64", "optional": False, "field": "ts_ms"},
                {
                    "type": "string",
                    "optional": True,
                    "name": "io.debezium.data.Enum",
                    "version": 1,
                    "parameters": {"allowed": "true,first,first_in_data_collection,last,false"},
                    "default": "false",
                    "field": "snapshot",
                },
                {"type": "string", "optional": False, "field": "table"},
            ],
            "optional": False,
            "name": "io.debezium.connector.postgresql.Source",
            "field": "source",
        },
        {"type": "string", "optional": False, "field": "op"},
        {"type": "int64", "optional": True, "field": "ts_ms"},
    ],
    "optional": False,
    "name": f"{NAME}.Envelope",
    "version": 2,
}
_KEY_SCHEMA = {
    "type": "struct",
    "fields": [{"type": "string", "optional": False, "field": "id"}],
    "optional": False,
    "name": f"{NAME}.Key",
}


def envelope(op: str, before: Row | None, after: Row | None, *, schema: bool = False) -> bytes:
    """The value of a message about one row."""
    body: dict[str, Any] = {
        "before": before,
        "after": after,
        "source": {
            "version": "3.0.2.Final",
            "connector": "postgresql",
            "name": "sig",
            "ts_ms": 1767261600000,
            "snapshot": "first" if op == "r" else "false",
            "db": "sig",
            "sequence": '["24023119","24023128"]',
            "schema": "public",
            "table": "bancs",
            "txId": 555,
            "lsn": 24023128,
            "xmin": None,
        },
        "transaction": None,
        "op": op,
        "ts_ms": 1767261600123,
    }
    if op == "t":
        del body["before"], body["after"]
    return json.dumps({"schema": _SCHEMA, "payload": body} if schema else body).encode()


def key(name: str, *, schema: bool = False) -> bytes:
    """The key of a message about the row of that id."""
    body = {"id": name}
    return json.dumps({"schema": _KEY_SCHEMA, "payload": body} if schema else body).encode()
