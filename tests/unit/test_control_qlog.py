"""edge.control.qlog: what may be asked, and traces of several workers as one."""

from __future__ import annotations

import json

import pytest

from edge.control.changes import Refused
from edge.control.qlog import DEFAULT_BYTES, Wanted, merged, told, wanted
from transport.session.qlog import Trace, Vantage


def test_what_may_be_asked() -> None:
    assert wanted({}) == Wanted(10.0, DEFAULT_BYTES)
    assert wanted({"seconds": 2, "max_bytes": 100_000}) == Wanted(2.0, 100_000)
    assert Wanted(2.0, 100_000).document() == {"seconds": 2.0, "max_bytes": 100_000}


@pytest.mark.parametrize(
    "document",
    [{"seconds": 0}, {"seconds": 121}, {"seconds": True}, {"seconds": "2"}, {"max_bytes": 1}, {"minutes": 1}],
)
def test_what_may_not(document: dict[str, object]) -> None:
    with pytest.raises(Refused):
        wanted(document)


def test_workers_traces_are_one_with_one_head() -> None:
    traces = [Trace(Vantage("edge", True), 0.0, 1 << 16) for _ in range(3)]
    for number, trace in enumerate(traces):
        trace.add("transport:packet_sent", f"{number}", {}, float(number))
    one = merged({number: told(trace, 1) for number, trace in enumerate(traces)})
    assert (one["sessions"], one["events"], one["is_cut"]) == (3, 3, False)
    records = [json.loads(each) for each in one["qlog"].split("\x1e")[1:]]
    assert ["qlog_format" in each for each in records] == [True, False, False, False]
    assert [each["group_id"] for each in records[1:]] == ["0", "1", "2"]
