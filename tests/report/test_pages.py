"""Pages: all of a workspace is there, nothing is loaded, no text becomes markup."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy import files
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Event, NullReporter, Warned
from sgnas_deploy.pipeline.report import ReportRequest, report
from sgnas_deploy.pipeline.validate import VerdictReport
from sgnas_deploy.reporting import gather, report_page, verdict_page
from sgnas_deploy.reporting.markup import tag
from sgnas_deploy.workspace import Workspace
from tests.report import workspaces


class Reader(HTMLParser):
    """Tags, attributes and text of a page; complains of what is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "link", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def verdict_of(workspace: Workspace, name: str) -> VerdictReport:
    path = workspace.reports / f"{name}.verdict.json"
    return files.read_model(path, VerdictReport, "verdict")


def test_the_report_shows_all_of_a_workspace(finished: Workspace) -> None:
    found = Reader(report_page(gather(finished)))
    for part in (
        "Accuracy against latency",
        "Predicted against measured",
        "Cost of each option of each layer",
        "Training",
        "Environment of the last verdict",
        "Provenance",
    ):
        assert part in found.text
    assert found.tags.count("svg") >= 3 + 3 + 3  # overview and table, networks, curves
    assert "1 of 3networks measured within their budget" in found.text
    for name, verdict in zip(workspaces.NAMES, ("PASS", "FAIL", "UNDECIDED"), strict=True):
        result = verdict_of(finished, name).result
        assert result.verdict == verdict
        assert result.line in found.text
        assert result.artefact_sha256 in found.text
    contents = gather(finished)
    assert contents.table_sha256 is not None
    assert contents.table_sha256 in found.text
    assert [one.letter for one in contents.networks] == ["A", "B", "C"]


def test_the_same_workspace_gives_the_same_page(finished: Workspace, workspace: Workspace) -> None:
    assert report_page(gather(finished)) == report_page(gather(workspace))


def test_pages_ask_for_nothing(finished: Workspace) -> None:
    pages = [report_page(gather(finished))]
    pages += [verdict_page(verdict_of(finished, name)) for name in workspaces.NAMES]
    for page in pages:
        found = Reader(page)
        assert not {"script", "img", "iframe", "object", "embed", "base"} & set(found.tags)
        names = {name for name, _ in found.attributes}
        assert not names & {"src", "srcset", "style", "xlink:href"}
        assert [value for name, value in found.attributes if name == "href"] == ["data:,"]
        assert not any(name.startswith("on") for name in names)
        assert not re.search(r"@import|url\(|https?://", page)


def test_a_verdict_has_a_page_beside_its_json(finished: Workspace) -> None:
    for name in workspaces.NAMES:
        told = verdict_of(finished, name)
        page = (finished.reports / f"{name}.verdict.html").read_text()
        assert page == verdict_page(told)
        found = Reader(page)
        assert told.result.line in found.text
        assert told.result.verdict in found.text
        assert told.test.method in found.text
        assert page.count('class="whisker"') == len(told.launches)
        if told.result.reason:
            assert told.result.reason in found.text


def test_no_text_becomes_markup(workspace: Workspace) -> None:
    workspaces.put_hostile(workspace)
    workspaces.put_model(
        workspace, "small", data=workspaces.HOSTILE, classes=(workspaces.HOSTILE,) * 10
    )
    found = Reader(report_page(gather(workspace)))
    assert workspaces.HOSTILE in found.text
    assert "<b onclick=alert(1)>&" in found.text
    assert not {"script", "img", "b onclick"} & set(found.tags)
    told = verdict_of(workspace, "small")
    hostile = told.model_copy(
        update={
            "warnings": (workspaces.HOSTILE,),
            "result": told.result.model_copy(
                update={"line": workspaces.HOSTILE, "environment": {"machine.<i>": "<u>"}}
            ),
        }
    )
    found = Reader(verdict_page(hostile))
    assert found.text.count(workspaces.HOSTILE) == 2
    assert not {"script", "img", "u"} & set(found.tags)


@given(st.text(), st.text())
def test_texts_and_attributes_come_back_as_they_were(text: str, value: str) -> None:
    made = tag("p", text, title=value)
    found = Reader(made)
    # What no document may contain is replaced, and a parser makes one of all ends of line.
    if made.count("\ufffd") == (text + value).count("\ufffd") and "\r" not in text + value:
        assert found.text == text
        assert found.attributes == [("title", value)]
    assert found.tags == ["p"]


@pytest.mark.parametrize(
    ("gone", "missing"),
    [
        (("supernet", "generator"), {"trained supernet", "trained generator"}),
        (("reports",), {"verdicts"}),
        (("architectures", "models", "reports"), {"networks"}),
        (("luts",), {"latency table"}),
    ],
)
def test_a_partial_workspace_says_what_is_missing(
    workspace: Workspace, gone: tuple[str, ...], missing: set[str]
) -> None:
    for name in gone:
        shutil.rmtree(workspace.root / name)
    contents = gather(workspace)
    assert missing <= {one.what for one in contents.missing}
    found = Reader(report_page(contents))
    for one in contents.missing:
        assert one.command.startswith("sgnas ")
        assert one.command in found.text


def test_only_a_table(workspace: Workspace) -> None:
    for name in ("architectures", "models", "reports", "supernet", "generator"):
        shutil.rmtree(workspace.root / name)
    result = report(ReportRequest(workspace.root), NullReporter())
    assert result.networks == ()
    assert len(result.calibration) >= 4
    assert result.heat is not None
    assert "Latency table" in result.path.read_text()


def test_a_damaged_file_is_left_out_and_named(workspace: Workspace) -> None:
    class Listener:
        texts: list[str] = []  # noqa: RUF012 - one listener, one test

        def event(self, event: Event) -> None:
            if isinstance(event, Warned):
                self.texts.append(event.text)

    (workspace.reports / "large.verdict.json").write_text("{}")
    (workspace.models / "small.history.jsonl").write_text('{"epoch": 1, "loss": "<i>"}\n')
    listener = Listener()
    result = report(ReportRequest(workspace.root, workspace.root / "page.html"), listener)
    assert len(listener.texts) == 2
    page = Reader((workspace.root / "page.html").read_text())
    assert "large.verdict.json is not a valid verdict" in page.text
    assert "small.history.jsonl is no training history: line 1" in page.text
    assert [one.verdict for one in result.networks].count(None) == 1


def test_a_verdict_on_an_older_file_is_told(workspace: Workspace) -> None:
    assert not any(one.stale for one in gather(workspace).networks)
    with (workspace.models / "small.onnx").open("ab") as artefact:
        artefact.write(b" ")
    contents = gather(workspace)
    assert [one.name for one in contents.networks if one.stale] == ["small"]
    assert "exported anew since" in report_page(contents)


def test_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no workspace"):
        report(ReportRequest(tmp_path / "none"), NullReporter())
    with pytest.raises(BadInput, match="nothing to report") as refused:
        report(ReportRequest(tmp_path), NullReporter())
    assert refused.value.cure is not None
    assert "sgnas profile" in refused.value.cure
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_into_the_workspace(workspace: Workspace) -> None:
    from sgnas_cli.main import run

    assert run(["report", "--workdir", str(workspace.root), "--terminal"]) == 0
    assert (workspace.reports / "report.html").is_file()
