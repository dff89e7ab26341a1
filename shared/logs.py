"""Logs: one JSON line per event, with release, dataset, topic and offset bound once per message.

Nothing here ever logs an exception's text or a traceback with local values: a library's error may
quote a cell. What failed is named by class, module and line.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

# Of these, warnings alone.
LIBRARIES = ("aiokafka", "alembic", "asyncio", "faststream", "httpx", "sqlalchemy", "uvicorn")


def configure(service: str, level: str = "info", fmt: Literal["json", "console"] = "json") -> None:
    """Sets structlog and the standard library's logging up for this process."""
    chain: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _no_exception_text,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=chain,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _service(service),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    handler.addFilter(_without_arguments)


def _service(name: str) -> structlog.typing.Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = name
        return event

    return add


def _without_arguments(record: logging.LogRecord) -> bool:
    """Of a library's line the template is kept: what is filled in may be a message's bytes."""
    if record.name.partition(".")[0] in LIBRARIES:
        record.args = ()
    return True


def _no_exception_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces an exception by its class and where it was raised."""
    found = event.pop("exc_info", None)
    record = event.get("_record")
    if found is None and record is not None:
        found, record.exc_info, record.exc_text = record.exc_info, None, None
    if found is True:
        found = sys.exc_info()
    if isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    if found and found[0] is not None:
        event["failure"] = failure_place(found[1])
    return event


def failure_place(error: BaseException) -> str:
    """`ValueError at services.ingest.csv_to_table:120`: what failed and where, never its text."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "site-packages" not in f.filename and "services/" in f.filename]
    ours = ours or [f for f in frames if "site-packages" not in f.filename]
    if not frames:
        return type(error).__name__
    last = (ours or frames)[-1]
    return f"{type(error).__name__} at {'/'.join(last.filename.rsplit('/', 2)[-2:])}:{last.lineno}"


def logger(**bound: object) -> structlog.typing.FilteringBoundLogger:
    """A logger; `bound` goes into each of its lines."""
    made: structlog.typing.FilteringBoundLogger = structlog.get_logger(**bound)
    return made
