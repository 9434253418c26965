"""Reports as single HTML files: no script, no request, no font that is not there anyway.

`pages.report_page` shows a workspace, `verdict.verdict_page` one verdict. What a page shows is put
together by `contents` (values only), drawn by one file a kind of picture, and written with
`markup`, which escapes every text that is not a tag of ours.
"""

from sgnas_deploy.reporting.contents import Contents, Missing, Network, gather
from sgnas_deploy.reporting.pages import report_page
from sgnas_deploy.reporting.verdict import verdict_page

__all__ = ["Contents", "Missing", "Network", "gather", "report_page", "verdict_page"]
