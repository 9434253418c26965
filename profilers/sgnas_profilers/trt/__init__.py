"""TensorRT in both flavours: `tensorrt` (10.3 to 11.x), and TensorRT for RTX (`tensorrt_rtx`).

`load` finds a flavour, `onnx_file` and `build` make an engine of an ONNX file, `audit` tells in
which precision it computes, `plans` whether an engine belongs to this machine. The real `tensorrt`
has not yet run on hardware with this code; TensorRT for RTX builds engines without a GPU, and that
is what the tests do.
"""
