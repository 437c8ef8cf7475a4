"""Reads metrics as Prometheus does, by the parser of its own library."""

import math
from collections.abc import Mapping
from typing import Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

PREFIX: Final = "papertape_"

Figures = Mapping[str, float]
"""Samples as they stand in the text, ``name{label="value"}``, the prefix left out."""


def read_figures(text: str) -> Figures:
    """Return every sample of ours; each is there once, is a number, and has a help text."""
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
    """Ask a service for its figures."""
    answer = await client.get("/metrics")
    assert answer.status_code == httpx2.codes.OK, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read_figures(answer.text)
