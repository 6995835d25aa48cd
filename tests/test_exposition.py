"""The text for Prometheus is what its own parser reads: any name, any number."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tagdb.exposition import Metric, Sample, render

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(words, st.floats(allow_nan=False), max_size=5), words, words)
def test_parser_reads_what_was_written(values: dict[str, float], collection: str, told: str) -> None:
    samples = tuple(Sample(value, {"what": name}) for name, value in values.items())
    text = render([Metric("tagdb_x", "gauge", told, samples)], {"collection": collection})
    families = list(text_string_to_metric_families(text))
    found = {sample.labels["what"]: sample.value for family in families for sample in family.samples}
    assert found == values
    assert {sample.labels["collection"] for family in families for sample in family.samples} <= {collection}
    assert all(family.type == "gauge" for family in families)


def test_what_is_not_known_is_left_out() -> None:
    unknown = Metric("tagdb_unknown", "gauge", "Nobody knows.", (Sample(None, {}),))
    known = Metric("tagdb_known", "summary", "Known.", (Sample(2.5, {}, "_sum"), Sample(1, {}, "_count")))
    text = render([unknown, known], {})
    assert "unknown" not in text
    (family,) = text_string_to_metric_families(text)
    assert {sample.name: sample.value for sample in family.samples} == {"tagdb_known_sum": 2.5, "tagdb_known_count": 1}
    assert math.isclose(family.samples[0].value, 2.5)
