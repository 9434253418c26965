"""Draw the last table of the demo as a picture for the README.

sgnas demo --json > docs/results/demo.json
python -m benchmarks.demo_picture docs/results/demo.json docs/demo.svg
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from sgnas_cli.render import demo
from sgnas_deploy import files
from sgnas_deploy.pipeline.demo import DemoResult

# Without the web font that rich's own frame would fetch.
FRAME = """<svg viewBox="-16 -16 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px;
  line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
<rect x="-16" y="-16" width="{width}" height="{height}" rx="12" fill="#272822"/>
<g clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""


def main() -> None:
    """Read a result, write a picture."""
    source, target = (Path(argument) for argument in sys.argv[1:3])
    result = files.read_model(source, DemoResult, "result of sgnas demo")
    console = Console(record=True, width=96, file=io.StringIO(), force_terminal=True)
    console.print(demo.demonstrated(result))
    picture = console.export_svg(theme=MONOKAI, code_format=FRAME, unique_id="demo")
    files.write_text(target, picture)
    print(json.dumps({"rows": len(result.rows), "picture": str(target)}))


if __name__ == "__main__":
    main()
