"""What a precision costs and saves: time and size of networks by runtime and precision, in turns.

Usage: python benchmarks/precision.py [--space tiny cifar imagenet] [--rounds 5] [--samples 30]

Three networks of each space (seeded), arbitrary weights, 1 thread, batch 1, one process per round
and runtime, all precisions in turns within it. Prints JSON: for each the time as a share of ONNX
Runtime's fp32 in the same round (the median over rounds and networks, geometric), and the bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections import defaultdict

import numpy as np

from sgnas_deploy import spaces
from sgnas_deploy.emitter import DEFAULT_FORM, emit_network
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports.local import LocalTransport

RUNTIMES = {"onnxruntime": ("fp32", "fp16", "int8"), "openvino": ("fp32", "fp16", "int8")}
NETWORKS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", nargs="+", default=["tiny", "cifar", "imagenet"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=30)
    given = parser.parse_args()
    plan = TimingPlan(warmup_runs=20, warmup_s=0.03, sample_s=0.0, samples=given.samples)
    report: dict[str, object] = {
        "machine": platform.processor() or platform.machine(),
        "load_before": os.getloadavg()[0],
        "rounds": given.rounds,
    }
    for identifier in given.space:
        space = spaces.load(identifier)
        rng = np.random.default_rng(0)
        networks = [space.sample(rng) for _ in range(NETWORKS)]
        times_s: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(
            lambda: defaultdict(list)
        )
        sizes: dict[tuple[str, str], int] = {}
        for _ in range(given.rounds):
            for runtime, precisions in RUNTIMES.items():
                agent = LocalTransport().start(runtime, RunOptions(1))
                try:
                    for index, options in enumerate(networks):
                        for precision in precisions:
                            model = emit_network(
                                space,
                                options,
                                DEFAULT_FORM,
                                1,
                                precision=precision,
                                backend=runtime,
                            ).SerializeToString()
                            timing = agent.measure(model, plan).timing
                            found = float(np.quantile(timing.samples_s, 0.25))
                            times_s[runtime, precision][index].append(found)
                            sizes[runtime, precision] = len(model)
                finally:
                    agent.close()
        base = times_s["onnxruntime", "fp32"]
        report[identifier] = {
            f"{runtime} {precision}": {
                "time": round(
                    float(
                        np.exp(
                            np.mean(
                                [
                                    np.log(np.median(np.array(runs) / np.array(base[index])))
                                    for index, runs in by_network.items()
                                ]
                            )
                        )
                    ),
                    3,
                ),
                "ms": [round(float(np.median(runs)) * 1e3, 3) for runs in by_network.values()],
                "bytes_of_the_last": sizes[runtime, precision],
            }
            for (runtime, precision), by_network in times_s.items()
        }
    report["load_after"] = os.getloadavg()[0]
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
