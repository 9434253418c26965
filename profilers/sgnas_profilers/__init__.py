"""What runs on a device: open a model, time it, say in what state the machine was.

Standard library only and Python 3.8 or later, so that the package can be zipped and sent to a
board. A runtime (onnxruntime, tensorrt, ...) is imported inside the one backend that needs it.
"""

__version__ = "0.1.0"
