"""A real Triton with a model repository as `model export --to triton` writes it. Runs in a Python that has
nvidia-pytriton, whose Triton is the one it runs, and onnxruntime.

`python triton_server.py PORT REPOSITORY`

That Triton has no backend for ONNX. So in its repository one line is another, `backend: "python"`, and
`triton_model.py` runs the same graph; all else of the configuration is what was written.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytriton

OURS, THEIRS = 'backend: "onnxruntime"', 'backend: "python"'


def main(port: int, repository: Path) -> None:
    triton = Path(pytriton.__file__).parent / "tritonserver"
    backends = repository.with_name(f"{repository.name}.backends")
    stub = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copytree(triton / "backends" / "python", backends / "python", dirs_exist_ok=True)
    shutil.copy(triton / "python_backend_stubs" / stub / "triton_python_backend_stub", backends / "python")
    for model in repository.iterdir():
        config = model / "config.pbtxt"
        config.write_text(config.read_text().replace(OURS, THEIRS))
        shutil.copy(Path(__file__).with_name("triton_model.py"), model / "1" / "model.py")
    packages = triton.parents[1]
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # whose python3 the stub runs
        "PYTHONPATH": str(packages),
        "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"),
    }
    command = [
        str(triton / "bin" / "tritonserver"),
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        f"--http-port={port}",
        "--http-address=127.0.0.1",
        "--allow-grpc=false",
        "--allow-metrics=false",
    ]
    os.execve(command[0], command, env)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
