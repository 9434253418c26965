"""Classify images with an exported network.

    python examples/classify.py sgnas-work/models/NAME.onnx IMAGE...

It needs ONNX Runtime and Pillow, which `pip install '.[cpu]'` in a checkout brings along.
"""

import sys

from sgnas_deploy import runtime


def main(artefact: str, images: list[str]) -> None:
    """Print the three likeliest classes of each image."""
    # Reads NAME.onnx.json too: classes, preprocessing, and the file's hash, which is compared.
    with runtime.load(artefact, threads=1) as model:
        for image in images:
            guesses = model.classify(image, top=3)
            told = ", ".join(f"{guess.label} {guess.probability:.1%}" for guess in guesses)
            print(f"{image}: {told}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
