"""Dashboard, alerts and the page about them speak of meters that exist, and every alert says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from opengiro.telemetry.meters import REGISTRY

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy/grafana/opengiro.json"
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
PAGE = ROOT / "docs/operating/observability.md"
NAME = re.compile(r"\bopengiro_[a-z_]+\b")
SUFFIXES = {"counter": ("_total",), "histogram": ("_count", "_sum", "_bucket"), "gauge": ("",)}


def known() -> dict[str, set[str]]:
    """Every name a scrape may have, with its labels."""
    found: dict[str, set[str]] = {}
    for collector in set(REGISTRY._collector_to_names):
        labels = set(getattr(collector, "_labelnames", ()))
        for metric in collector.describe() if hasattr(collector, "describe") else ():
            if metric.name.startswith("opengiro_"):
                found |= {metric.name + suffix: labels for suffix in SUFFIXES[metric.type]}
    return found


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [one["expr"] for panel in panels for one in panel["targets"]] + [rule["expr"] for rule in rules()]


@pytest.mark.parametrize("expression", expressions())
def test_every_meter_asked_for_exists_with_its_labels(expression: str) -> None:
    names = set(NAME.findall(expression))
    assert names
    assert names <= known().keys()
    asked = set(re.findall(r"(\w+)(?:=~|!=|!~|=)\"", expression))
    asked |= {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    assert asked - {"le"} <= set().union(*(known()[name] for name in names))


def test_every_meter_is_on_the_page() -> None:
    told = set(re.findall(r"`(opengiro_[a-z_]+)`", PAGE.read_text()))
    plain = {re.sub("_(count|sum|bucket)$", "", name) for name in known()}
    assert told == plain


def test_every_alert_says_what_to_do() -> None:
    sections = set(re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE))
    names = [rule["alert"] for rule in rules()]
    assert sections == set(names)
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/operating/observability.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_every_panel_says_what_it_shows() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert all(panel["title"] and panel["description"].endswith(".") for panel in panels)
    assert len({panel["id"] for panel in panels}) == len(panels)
