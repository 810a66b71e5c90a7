"""Find references to other files in an ONNX model, without a runtime.

ONNX Runtime before 1.24 follows such references when it loads a model. A bundle's model may come from anybody and must
not read this machine's files, so it is searched before the runtime sees it. Only the parts of the protobuf schema
that lead to tensors are followed: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from collections.abc import Iterator

_NODE, _GRAPH, _ATTRIBUTE, _FUNCTION, _TRAINING, _SPARSE, _TENSOR = range(7)
# Of each message: the field numbers of the messages inside it that are followed.
_CHILDREN = {
    None: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},  # ModelProto
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}
_EXTERNAL_DATA, _DATA_LOCATION, _OP_TYPE = 13, 14, 4
_READS_FILES = (b"EPContext",)  # operators with file names in their attributes
_DEEPEST = 60
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def refers_to_files(model: bytes) -> bool:
    """Whether a model names files outside of itself.

    Raises:
        ValueError: The bytes are not a protobuf message, or it is nested too deeply.
    """
    return _refers(memoryview(model), None, 0)


def _refers(message: memoryview, kind: int | None, depth: int) -> bool:
    if depth > _DEEPEST:
        raise ValueError("messages are nested too deeply")
    for number, value in _fields(message):
        if kind == _TENSOR and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value)):
            return True
        if kind == _NODE and number == _OP_TYPE and isinstance(value, memoryview) and value in _READS_FILES:
            return True
        child = _CHILDREN[kind].get(number)
        if child is not None and isinstance(value, memoryview) and _refers(value, child, depth + 1):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """The fields of a message: number and value."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        wire = key & 7
        if wire == _VARINT:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            size, position = _varint(message, position)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire} is unknown")
        if position + size > len(message):
            raise ValueError("the message is cut off")
        yield key >> 3, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """An integer of variable length, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("an integer is cut off or too long")
