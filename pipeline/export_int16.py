"""Weights of a TensorFlow Lite file as 16-bit whole numbers: half the bytes, and an order nearer than 16-bit floats.

The converter has no such option, the format has: each large matrix becomes steps of one size, and an operation before
it that makes floats of them once, when the file is opened.
"""

from typing import Any

import numpy as np

LEAST = 1024  # numbers; smaller ones stay floats, as where the converter quantises
STEPS = 32767  # to either side of zero
INT16_SINCE = 3  # version of the operation


def quantised(content: bytes, share: float = 1.0) -> bytes:
    """The file with large constants in 16 bits.

    Args:
        share: of their numbers; the largest constants first, so that the first layers, whose errors grow on their way
            through the others, stay floats.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    code = _add_code(model)
    for graph in model.subgraphs:
        sizes = [_size(model, tensor) for tensor in graph.tensors]
        least = _least(sizes, share)
        added = [_quantise(model, graph, place, code) for place, size in enumerate(sizes) if size >= least]
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


def _size(model: Any, tensor: Any) -> int:
    """Numbers of a constant of floats; 0 of anything else."""
    from tensorflow.lite.python import schema_py_generated as schema

    data = model.buffers[tensor.buffer].data
    return len(data) // 4 if tensor.type == schema.TensorType.FLOAT32 and data is not None else 0


def _least(sizes: list[int], share: float) -> int:
    """Numbers that a constant must have so that those with as many hold the share of all that are large."""
    large = sorted((size for size in sizes if size > LEAST), reverse=True)
    held = 0
    for size in large:
        held += size
        if held >= share * sum(large):
            return size
    return LEAST + 1


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
