"""Weights of a TensorFlow Lite file as 16-bit whole numbers: half the bytes, and an order nearer than 16-bit floats.

The converter has no such option, the format has: each large matrix becomes steps of one size, and an operation before
it that makes floats of them once, when the file is opened.
"""

from typing import Any

import numpy as np

LEAST = 1024  # numbers; smaller ones stay floats, as where the converter quantises
STEPS = 32767  # to either side of zero
INT16_SINCE = 3  # version of the operation


def quantised(content: bytes) -> bytes:
    """The file with large constants in 16 bits."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    code = _add_code(model)
    for graph in model.subgraphs:
        added = [
            _quantise(model, graph, place, code)
            for place in range(len(graph.tensors))
            if _is_large(model, graph.tensors[place])
        ]
        graph.operators = [*added, *graph.operators]
    _drop_unused(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _add_code(model: Any) -> int:
    from tensorflow.lite.python import schema_py_generated as schema

    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = INT16_SINCE
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _is_large(model: Any, tensor: Any) -> bool:
    from tensorflow.lite.python import schema_py_generated as schema

    data = model.buffers[tensor.buffer].data
    return tensor.type == schema.TensorType.FLOAT32 and data is not None and len(data) > LEAST * 4


def _quantise(model: Any, graph: Any, place: int, code: int) -> Any:
    """Moves the numbers of a tensor to a new one; returns the operation that leads from there to it."""
    from tensorflow.lite.python import schema_py_generated as schema

    tensor = graph.tensors[place]
    numbers = np.asarray(model.buffers[tensor.buffer].data, np.uint8).view("<f4")
    step = np.float32(np.abs(numbers).max() / STEPS) or np.float32(1)
    buffer, moved, operator = schema.BufferT(), schema.TensorT(), schema.OperatorT()
    buffer.data = np.round(numbers / step).astype("<i2").view(np.uint8)
    moved.name, moved.shape, moved.type = tensor.name + b"_int16", tensor.shape, schema.TensorType.INT16
    moved.buffer, tensor.buffer = len(model.buffers), 0  # the first buffer is the empty one
    moved.quantization = schema.QuantizationParametersT()
    moved.quantization.scale, moved.quantization.zeroPoint = [float(step)], [0]
    model.buffers.append(buffer)
    graph.tensors.append(moved)
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [len(graph.tensors) - 1], [place]
    return operator


def _drop_unused(model: Any) -> None:
    """Empties the buffers that no tensor holds any longer; two tensors may have held the same one."""
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {item.buffer for item in model.metadata or []}
    for place, buffer in enumerate(model.buffers):
        if place not in used:
            buffer.data = None
