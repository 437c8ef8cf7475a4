"""Reads metrics with the parser of the Prometheus library."""

import math
from collections.abc import Mapping
from typing import Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

PREFIX: Final = "papertape_"

Figures = Mapping[str, float]
"""Samples by their names in the text, ``name{label="value"}``, without the prefix."""


def read_figures(text: str) -> Figures:
    """Return our samples; each must be unique and finite, and have a help text."""
    figures: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        assert family.type in {"gauge", "counter"}, family.name
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert name not in figures, name
            assert math.isfinite(sample.value), name
            figures[name] = sample.value
    return {
        name.removeprefix(PREFIX): value
        for name, value in figures.items()
        if name.startswith(PREFIX)
    }


async def scrape(client: httpx2.AsyncClient) -> Figures:
    """Return the samples of a service."""
    answer = await client.get("/metrics")
    assert answer.status_code == httpx2.codes.OK, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read_figures(answer.text)
