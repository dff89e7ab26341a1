"""What is deployed is what the code needs: settings, ports, roles, buckets, metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase
from ruamel.yaml import YAML

from deploy.local.minio import MODULE, TARGET, VERSION
from deploy.local.stack import DATABASE_ROLES, SERVICES
from ecluse.store_setup import PROCESSES
from shared import metrics
from shared.events import DropNotified
from shared.identity import Identities
from shared.settings import Settings
from shared.storage import DELETES, REACH, WRITES, Access

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


COMPOSE = yaml(ROOT / "docker-compose.yml")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
PORTS = {name: Settings.model_fields[f"{name}_port"].default for name in SERVICES}
METRIC = re.compile(r"\becluse_[a-z_]+")


@pytest.mark.parametrize("process", SERVICES)
def test_every_process_is_deployed(process: str) -> None:
    """A target of the image, and a service with its own credential and no more rights than it
    needs."""
    assert f"AS {process}\n" in DOCKERFILE
    assert f'CMD ["serve", "{process}"]' in DOCKERFILE
    service = COMPOSE["services"][process]
    assert service["build"]["target"] == process
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    told = service["environment"]
    assert told["ECLUSE_S3_ACCESS_KEY"] == Settings().bucket(process)
    role = DATABASE_ROLES.get(process)
    assert (f"//{role}:" in told.get("ECLUSE_DATABASE", "")) == (role is not None)
    assert ("ECLUSE_CITY_SECRET" in told) == (process == "ingest")


def test_only_some_processes_reach_outside() -> None:
    """anonymize and convert have no way out of the machine."""
    outer = {n for n, s in COMPOSE["services"].items() if "outer" in s.get("networks", [])}
    assert outer & set(SERVICES) == {"ingest", "publish", "portal", "notify"}
    assert COMPOSE["networks"]["inner"]["internal"] is True
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_every_variable_is_a_setting() -> None:
    """No process is told what it does not know."""
    known = {f"ECLUSE_{name.upper()}" for name in Settings.model_fields}
    for service in COMPOSE["services"].values():
        told = {name for name in service.get("environment", {}) if name.startswith("ECLUSE_")}
        assert told <= known
    assert set(re.findall(r"ECLUSE_[A-Z_]+", DOCKERFILE)) <= known


def test_every_secret_is_asked_for() -> None:
    """What compose needs is in the example, empty, and its absence is an error."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    needed = set(re.findall(r"\$\{([A-Z_]+)", text))
    example = (DEPLOY / "compose" / "env.example").read_text(encoding="utf-8")
    given = dict(
        line.split("=", 1) for line in example.splitlines() if "=" in line and line[0] != "#"
    )
    assert needed == set(given)
    for name, value in given.items():
        if name.endswith(("SECRET", "PASSWORD")):
            assert value == ""
            assert f"${{{name}:?" in text or name == "GRAFANA_PASSWORD"


def test_ports_agree() -> None:
    """Health checks, published ports and Prometheus ask where the processes listen."""
    inner = PORTS | {"portal": Settings.model_fields["portal_metrics_port"].default}
    for process in SERVICES:
        section = DOCKERFILE.split(f"FROM runtime AS {process}\n")[1].split("FROM ")[0]
        assert f":{inner[process]}/live" in section
    [job] = yaml(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]
    scraped = {one["labels"]["process"]: one["targets"] for one in job["static_configs"]}
    assert scraped == {process: [f"{process}:{inner[process]}"] for process in SERVICES}
    for process in ("portal", "publish", "ingest"):
        assert COMPOSE["services"][process]["ports"] == [
            f"127.0.0.1:{PORTS[process]}:{PORTS[process]}"
        ]


def test_requirements_are_there() -> None:
    """Every file that the image installs from exists, and is used by hash."""
    for name in re.findall(r"requirements/[a-z]+\.txt", DOCKERFILE):
        assert (ROOT / name).is_file(), name
    for line in DOCKERFILE.splitlines():
        if "pip install" in line and "--no-index" not in line:
            assert "--require-hashes" in line


@pytest.mark.parametrize("process", PROCESSES)
def test_the_stores_policies(process: Access) -> None:
    """A credential does with each bucket what the code says that its process does, and no more."""
    written = json.loads((DEPLOY / "minio" / f"{process}.json").read_text(encoding="utf-8"))
    allowed: dict[str, set[str]] = {}
    for statement in written["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            for resource in statement["Resource"]:
                bucket = resource.removeprefix("arn:aws:s3:::ecluse-").removesuffix("/*")
                allowed.setdefault(action, set()).add(bucket)
    writes = set(WRITES.get(process, ()))
    wanted = {
        "s3:ListBucket": set(REACH[process]),
        "s3:GetBucketLocation": set(REACH[process]),
        "s3:GetObject": set(REACH[process]),
        "s3:PutObject": writes,
        "s3:AbortMultipartUpload": writes,
        "s3:ListMultipartUploadParts": writes,
        "s3:DeleteObject": set(DELETES.get(process, ())),
    }
    assert allowed == {action: buckets for action, buckets in wanted.items() if buckets}


def test_the_store_is_set_up_for_every_process() -> None:
    """Compose gives `ecluse store` the owner's credential and every process's secret."""
    told = COMPOSE["services"]["buckets"]["environment"]
    assert set(json.loads(told["ECLUSE_STORE_SECRETS"])) == set(PROCESSES)
    owner = COMPOSE["services"]["minio"]["environment"]["MINIO_ROOT_USER"]
    assert told["ECLUSE_S3_ACCESS_KEY"] == owner
    others = [one for name, one in COMPOSE["services"].items() if name not in ("minio", "buckets")]
    assert not [one for one in others if owner in str(one) or "MINIO_PASSWORD" in str(one)]


def test_the_store_is_built_from_its_module_and_says_what_is_dropped() -> None:
    """The version of the tests, and notifications on the topic that ingest reads."""
    assert COMPOSE["services"]["minio"]["build"]["target"] == "minio"
    assert "FROM python:${PYTHON} AS minio\n" in DOCKERFILE
    assert f"{MODULE}@{VERSION}" in DOCKERFILE
    told = COMPOSE["services"]["minio"]["environment"]
    assert told[f"MINIO_NOTIFY_KAFKA_ENABLE_{TARGET}"] == "on"
    assert told[f"MINIO_NOTIFY_KAFKA_TOPIC_{TARGET}"] == Settings().topic(DropNotified.TOPIC)
    assert told[f"MINIO_NOTIFY_KAFKA_BROKERS_{TARGET}"] == "kafka:9092"


def test_the_databases_roles() -> None:
    """Each process's role is made; the portal's sees the portal's views alone."""
    sql = (DEPLOY / "postgres" / "roles.sql").read_text(encoding="utf-8")
    for role in (*DATABASE_ROLES.values(), "ecluse_reader"):
        assert f"create role {role} login" in sql
        assert role.removeprefix("ecluse_") in (DEPLOY / "compose" / "roles.sh").read_text()
    granted = [line for line in sql.splitlines() if line.endswith("to ecluse_portal;")]
    assert granted
    assert all("schema portal" in line for line in granted)
    assert not [line for line in granted if "insert" in line or "update" in line]


def test_metrics_that_are_watched_exist() -> None:
    """No alert and no panel asks for a metric that no process has."""
    known = set()
    for one in vars(metrics).values():
        if isinstance(one, MetricWrapperBase):
            [family] = one.describe()
            ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
            known |= {family.name + end for end in ends.get(family.type, [""])}
    alerts = yaml(DEPLOY / "prometheus" / "alerts.yml")["groups"][0]["rules"]
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "ecluse.json").read_text("utf-8"))
    asked = [rule["expr"] for rule in alerts]
    asked += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for expression in asked:
        for name in METRIC.findall(expression):
            assert name in known, name
    assert all(rule["annotations"].keys() == {"summary", "action"} for rule in alerts)


def test_the_example_identities_load() -> None:
    """The example shows the form that is read."""
    assert Identities.model_validate(yaml(DEPLOY / "compose" / "identities.example.yaml"))
