"""The four reports, read back by parsers of their formats."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from tare_conformance.report import document, junit, table, tap
from tare_conformance.results import STATUSES, Result, Run

RESULTS = [
    Result("runc", f"part/{status}", "config.md, Part", f"Title of {status}.", status, f"why {status}")
    for status in STATUSES
] + [
    Result(
        "runc",
        "part/odd",
        "config.md, Part",
        "Odd # text.",
        "fail",
        'quotes " <&> \x00\x1b[0m\nnew line # hash',
        "a\x00b",
        ["control group /x"],
        0.5,
    )
]
RUN = Run("runtime", {"runc": "runc version 1.1.5"}, "Linux", RESULTS, 1.5)


def test_table_has_a_line_for_each_case_and_the_sums() -> None:
    text = table.render(RUN)
    assert re.search(r"^part/pass +ok$", text, re.MULTILINE)
    assert re.search(r"^part/fail +FAIL$", text, re.MULTILINE)
    assert "    left: control group /x" in text
    assert "runc (runc version 1.1.5): 1 pass, 1 known, 1 skip, 1 fixed, 2 fail, 1 error" in text


def test_json_has_every_result() -> None:
    read = json.loads(document.render(RUN))
    assert read["format"] == 1
    assert read["subjects"]["runc"]["counts"]["fail"] == 2
    assert [result["case"] for result in read["results"]] == [result.case for result in RESULTS]
    assert read["results"][-1]["leaks"] == ["control group /x"]


def test_tap_has_a_numbered_point_for_each_result() -> None:
    lines = tap.render(RUN).splitlines()
    assert lines[:2] == ["TAP version 13", f"1..{len(RESULTS)}"]
    points = [line for line in lines if re.match(r"(not )?ok \d+ - ", line)]
    assert [int(re.findall(r"\d+", point)[0]) for point in points] == list(range(1, len(RESULTS) + 1))
    by_case = dict(zip(STATUSES, points, strict=False))
    assert by_case["pass"] == "ok 1 - runc part/pass"
    assert by_case["known"].startswith("not ok 2") and "# TODO" in by_case["known"]
    assert by_case["skip"] == "ok 3 - runc part/skip # SKIP why skip"
    assert by_case["fail"] == "not ok 5 - runc part/fail"
    assert all(line.startswith(("ok", "not ok", "  ", "TAP", "1..")) for line in lines)


def test_junit_is_xml_whatever_a_subject_printed() -> None:
    suite = ElementTree.fromstring(junit.render(RUN)).find("testsuite")
    assert suite is not None
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "7", "failures": "3", "errors": "1", "skipped": "2"}
    kinds = [[child.tag for child in point] for point in suite.iter("testcase")]
    assert kinds == [[], ["skipped"], ["skipped"], ["failure"], ["failure"], ["error"], ["failure"]]


@pytest.mark.parametrize("render", [table.render, document.render, tap.render, junit.render])
def test_a_run_of_nothing_is_a_report_too(render: object) -> None:
    assert callable(render)
    assert render(Run("runtime", {"x": ""}, "Linux", [], 0.0))


def test_reports_can_be_written_as_utf_8() -> None:
    for render in (table.render, document.render, tap.render, junit.render):
        render(RUN).encode()
