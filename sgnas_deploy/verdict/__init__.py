"""The verdict: does a network keep its latency budget on this device, and how sure is that?

`PercentileTest` judges launches (fresh processes) by betting; `campaign` measures until it can
judge; `undecided` says why it could not; `report` and `results` are what is written down. `jobs`
goes before (from what was asked to what is measured), `writing` after it. `docs/verdict.md` tells
what the confidence means and what it assumes.
"""

from sgnas_deploy.verdict.percentile import Judgement, PercentileTest, Verdict

__all__ = ["Judgement", "PercentileTest", "Verdict"]
