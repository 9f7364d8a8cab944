"""The report as JUnit XML: a test suite for each subject."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from tare_conformance.results import Result, Run

# What XML 1.0 has no way to write.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(run: Run) -> str:
    """Known failures count as skipped, unexpected passes as failures."""
    top = Element("testsuites", name=f"tare-conformance {run.suite}", time=f"{run.seconds:.3f}")
    for name, version in run.subjects.items():
        mine = [result for result in run.results if result.subject == name]
        counts = run.count(name)
        suite = SubElement(
            top,
            "testsuite",
            name=name,
            tests=str(len(mine)),
            failures=str(counts.get("fail", 0) + counts.get("fixed", 0)),
            errors=str(counts.get("error", 0)),
            skipped=str(counts.get("skip", 0) + counts.get("known", 0)),
            time=f"{sum(result.seconds for result in mine):.3f}",
        )
        properties = SubElement(suite, "properties")
        SubElement(properties, "property", name="version", value=_clean(version))
        SubElement(properties, "property", name="host", value=_clean(run.host))
        for result in mine:
            _testcase(suite, result)
    indent(top)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(top, encoding="unicode") + "\n"


def _testcase(suite: Element, result: Result) -> None:
    point = SubElement(
        suite,
        "testcase",
        classname=f"{result.subject}.{result.section}",
        name=result.case,
        time=f"{result.seconds:.3f}",
    )
    body = _clean(
        "\n".join(text for text in [result.title, result.clause, *result.leaks, result.details] if text)
    )
    if result.status == "fail":
        SubElement(point, "failure", message=_clean(result.message)).text = body
    elif result.status == "fixed":
        SubElement(point, "failure", message="passes, but is listed as a known failure").text = _clean(
            result.reason
        )
    elif result.status == "error":
        SubElement(point, "error", message=_clean(result.message)).text = body
    elif result.status == "known":
        SubElement(point, "skipped", message=_clean(f"known failure: {result.reason}: {result.message}"))
    elif result.status == "skip":
        SubElement(point, "skipped", message=_clean(result.message))


def _clean(text: str) -> str:
    return FORBIDDEN.sub("�", text)
