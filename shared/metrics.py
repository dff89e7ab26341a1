"""Metrics, for Prometheus. Base units; no ids in labels except `dataset`, and that one is capped.

`docs/reference/metrics.md` is made from here.
"""

from __future__ import annotations

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Otherwise a `_created` gauge comes with each counter and histogram, and nobody reads it.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped upstream

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400)

registry = CollectorRegistry(auto_describe=True)

stage_runs = Counter(
    "ecluse_stage_runs_total",
    "Changes that a stage took up, by outcome: done, confirmed, waiting, parked, quarantined, dead.",
    ("stage", "outcome"),
    registry=registry,
)
stage_duration = Histogram(
    "ecluse_stage_duration_seconds",
    "Time from taking a message up to its output event.",
    ("stage",),
    buckets=SECONDS,
    registry=registry,
)
stage_in_progress = Gauge(
    "ecluse_stage_runs_in_progress",
    "Messages under work now.",
    ("stage",),
    registry=registry,
)
stage_retries = Counter(
    "ecluse_stage_retries_total",
    "Waits because something of ours or of somebody else was away.",
    ("stage", "reason"),
    registry=registry,
)
stage_rows = Counter(
    "ecluse_stage_rows_total", "Rows that left a stage.", ("stage",), registry=registry
)
dead_letters = Counter(
    "ecluse_dead_letters_total",
    "Messages put aside as dead letters.",
    ("topic",),
    registry=registry,
)
last_message = Gauge(
    "ecluse_consumer_last_message_timestamp_seconds",
    "When a consumer group last took a message up.",
    ("consumergroup",),
    registry=registry,
)
guard_blocks = Counter(
    "ecluse_privacy_guard_blocks_total",
    "Releases that the policy or the scan stopped, by reason code.",
    ("rule",),
    registry=registry,
)
events_received = Counter(
    "ecluse_events_received_total",
    "Changes that came in, by way in and outcome: accepted, rejected.",
    ("way", "outcome"),
    registry=registry,
)
time_to_publish = Histogram(
    "ecluse_time_to_publish_seconds",
    "From a change's event to its release verified on the city's own portal.",
    buckets=SECONDS,
    registry=registry,
)
publications = Gauge("ecluse_publications", "Publications by state.", ("state",), registry=registry)
changes_open = Gauge(
    "ecluse_changes_open",
    "Changes without an end, by state.",
    ("state",),
    registry=registry,
)
deliveries = Counter(
    "ecluse_portal_calls_total",
    "Delivery attempts, by portal and outcome: done, cancelled, retry.",
    ("portal", "outcome"),
    registry=registry,
)
arrivals = Gauge(
    "ecluse_portal_arrivals",
    "Releases promised to a portal, by state: pending, arrived, late, failed, withdrawn.",
    ("portal", "state"),
    registry=registry,
)
portal_files = Counter(
    "ecluse_portal_files_total",
    "Files fetched from a portal as a stranger would, by outcome: right, wrong.",
    ("portal", "outcome"),
    registry=registry,
)
portal_edits = Gauge(
    "ecluse_portal_hand_edits",
    "Datasets that somebody edited on a portal since they were left there.",
    ("portal",),
    registry=registry,
)
withdrawn_copies = Gauge(
    "ecluse_withdrawn_copies",
    "What portals served of withdrawn releases beside the dataset: stands, gone, rebuilt, settled.",
    ("portal", "state"),
    registry=registry,
)
portal_circuit = Gauge(
    "ecluse_portal_circuit_open",
    "1 while a portal is left alone because it failed or asked for it.",
    ("portal",),
    registry=registry,
)
outbox_pending = Gauge(
    "ecluse_outbox_pending",
    "Events written but not yet sent.",
    ("schema",),
    registry=registry,
)
news_posted = Counter(
    "ecluse_notifications_total",
    "News items posted, by kind.",
    ("kind",),
    registry=registry,
)
harvest_requests = Gauge(
    "ecluse_harvest_last_request_timestamp_seconds",
    "When the catalogue feed was last read, by reader: udata, other.",
    ("harvester",),
    registry=registry,
)
harvest_checks = Gauge(
    "ecluse_harvest_checks",
    "Datasets promised to a portal that harvests, by the latest verdict; pending before the first.",
    ("portal", "verdict"),
    registry=registry,
)
harvest_overdue = Gauge(
    "ecluse_harvest_overdue",
    "Datasets that a portal should have taken by now and has not.",
    ("portal",),
    registry=registry,
)
harvest_preview_refused = Gauge(
    "ecluse_harvest_preview_refused",
    "Datasets that a portal's own dry run of the feed would not take as they are meant.",
    ("portal",),
    registry=registry,
)
harvest_looks = Counter(
    "ecluse_harvest_looks_total",
    "Looks at a dataset's harvest, by outcome: a verdict, pending, away.",
    ("portal", "outcome"),
    registry=registry,
)
downloads = Counter(
    "ecluse_downloads_total",
    "Files served by the portal, by dataset and format.",
    ("dataset", "format"),
    registry=registry,
)
loop_lag = Histogram(
    "ecluse_event_loop_lag_seconds",
    "How late the process's event loop came round, looked at four times a second.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=registry,
)
build_info = Gauge(
    "ecluse_build_info",
    "1; the label says which version runs.",
    ("version",),
    registry=registry,
)
