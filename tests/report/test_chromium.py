"""The pages in a real browser: no errors, pictures there, on a phone, wide, dark, on paper."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgnas_deploy import files
from sgnas_deploy.pipeline.validate import VerdictReport
from sgnas_deploy.reporting import gather, report_page
from sgnas_deploy.workspace import Workspace
from tests.report import pdf, workspaces
from tests.report.chromium import Chromium, find

SIZES = [(360, 800), (1280, 900)]
PAGES = ("report", "verdict", "hostile")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = find()
    if program is None:
        if os.environ.get("SGNAS_REQUIRE_CHROMIUM") == "1":
            pytest.fail("SGNAS_REQUIRE_CHROMIUM=1, and no Chromium is installed")
        pytest.skip("no Chromium is installed")
    found = Chromium(program, tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture
def pages(workspace: Workspace) -> dict[str, Path]:
    found = {"report": workspace.root / "report.html"}
    files.write_text(found["report"], report_page(gather(workspace)))
    found["verdict"] = workspace.reports / "small.verdict.html"
    workspaces.put_hostile(workspace)
    found["hostile"] = workspace.root / "hostile.html"
    files.write_text(found["hostile"], report_page(gather(workspace)))
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=["phone", "wide"])
@pytest.mark.parametrize("name", PAGES)
def test_pages_look_right(
    browser: Chromium,
    pages: dict[str, Path],
    tmp_path: Path,
    name: str,
    size: tuple[int, int],
    dark: bool,
) -> None:
    browser.open(pages[name], *size, dark=dark)
    assert browser.problems == []
    assert browser.requests == [pages[name].as_uri()]
    assert browser.ask("document.documentElement.scrollWidth") <= size[0]
    # Nothing reaches over the edge, even where the page would hide it.
    over = (
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('svg') && "
        "e.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert browser.ask(over) == 0
    drawn = "[...document.querySelectorAll('svg')].map(e => e.getBoundingClientRect().height)"
    heights = browser.ask(drawn)
    assert heights
    assert min(heights) > 20
    browser.screenshot(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    assert pixels.shape == (size[1], size[0], 3)
    assert pixels.std() > 5
    background = pixels[2, 2].mean()
    assert background < 80 if dark else background > 200


@pytest.mark.parametrize(
    ("name", "names", "most"), [("report", workspaces.NAMES, 15), ("verdict", ("small",), 4)]
)
def test_pages_do_without_scripts_and_can_be_printed(
    browser: Chromium,
    pages: dict[str, Path],
    finished: Workspace,
    name: str,
    names: tuple[str, ...],
    most: int,
) -> None:
    browser.open(pages[name], 1280, 900, dark=True, script=False)
    data = browser.pdf()
    assert browser.problems == []
    assert 2 <= pdf.pages(data) <= most
    said = pdf.text(data)
    for one in names:
        path = finished.reports / f"{one}.verdict.json"
        result = files.read_model(path, VerdictReport, "verdict").result
        assert pdf.plain(result.line) in said
        assert pdf.plain(result.artefact_sha256) in said
    # All the way down to the last line.
    assert said.endswith(pdf.plain("This file loads nothing."))


def test_every_picture_has_ink(browser: Chromium, pages: dict[str, Path], tmp_path: Path) -> None:
    browser.open(pages["report"], 1280, 900)
    browser.screenshot(tmp_path / "whole.png", whole=True)
    boxes = browser.ask(
        "[...document.querySelectorAll('svg')].map(e => {const r = e.getBoundingClientRect();"
        "return [r.left, r.top + scrollY, r.right, r.bottom + scrollY]})"
    )
    with Image.open(tmp_path / "whole.png") as opened:
        whole = opened.convert("L")
        for box in boxes:
            part = np.asarray(whole.crop(tuple(round(side) for side in box))).astype(int)
            assert part.std() > 5, box
