"""Sessions of ONNX Runtime on the CPU, as this server runs graphs: no spinning, and one arena for all.

A session with an arena of its own keeps 5 MB for a graph that needs 0.4: docs/decisions/0018-children-share-a-stem.md.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from app.errors import ArtefactError, BackendUnavailableError
from app.inference.artefact import CURE
from app.inference.manifest import shown

NAME = "onnxruntime"  # of the backends that run on it


def open_session(graph: Path | bytes, called: Path, threads: int = 1) -> Any:
    """Load a graph; onnxruntime is imported here, so a server that does not use it does not pay for it.

    Args:
        graph: where it is, or its content.
        called: the path that messages name.
        threads: CPU threads of one inference. One is fastest for networks this small.

    Raises:
        BackendUnavailableError: onnxruntime is not installed.
        ArtefactError: the graph is damaged.
    """
    try:
        import onnxruntime
    except ImportError as error:
        cure = "Install it with `pip install onnxruntime`"
        raise BackendUnavailableError(NAME, str(error), cure) from None
    _share_arena()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Else the pool spins between two windows: a whole core for 30 windows a second.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = 3  # errors; they also come as exceptions
    given = graph if isinstance(graph, bytes) else str(graph)
    try:
        return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no base of their own
        raise ArtefactError(
            f"{called} is no graph that ONNX Runtime loads: {shown(str(error))}. {CURE}"
        ) from None


@cache
def _share_arena() -> None:
    """Make the one arena that the sessions of this process take their memory from. Making it twice does no harm."""
    import onnxruntime

    kind, use = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    onnxruntime.create_and_register_allocator(onnxruntime.OrtMemoryInfo("Cpu", kind, 0, use), None)
