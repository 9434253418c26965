"""The figures of a training, in one line."""

from __future__ import annotations

from collections.abc import Mapping

from sgnas_cli.render.figures import ms, percent


def line(readings: Mapping[str, float]) -> str:
    """Such as `loss 1.234, accuracy 71.2 %, learning rate 0.0128, 212 images/s`.

    Figures that nobody has a word for are left out: they stand in the log.
    """
    return ", ".join(text for text in (_loss(readings), *_others(readings)) if text)


def _loss(readings: Mapping[str, float]) -> str:
    return f"loss {readings['loss']:.3f}" if "loss" in readings else ""


def _others(readings: Mapping[str, float]) -> list[str]:
    found = []
    if "accuracy" in readings:
        found.append(f"accuracy {percent(readings['accuracy'])} %")
    if "expected_s" in readings and "target_s" in readings:
        expected, target = readings["expected_s"], readings["target_s"]
        found.append(f"latency {ms(expected)} for {ms(target)} ms")
    if "temperature" in readings:
        found.append(f"temperature {readings['temperature']:.3g}")
    if "learning_rate" in readings:
        found.append(f"learning rate {readings['learning_rate']:.3g}")
    if readings.get("images_per_s", 0) > 0:
        found.append(f"{readings['images_per_s']:,.0f} images/s")
    return found
