"""What can be said about a runtime without importing it: packages, precision, machine."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from pathlib import Path

from lingua2.model_options import ModelOptions

__all__ = [
    "BACKENDS",
    "PACKAGES",
    "fixed_precision",
    "installed",
    "installed_versions",
    "multiplies_int8",
    "on_cuda",
    "processor",
    "threads",
]

BACKENDS = {
    "torch": ("torch",),
    "torch-fp32": ("torch",),
    "torch-int8": ("torch",),
    "onnx": ("onnxruntime",),
    "onnx-int8": ("onnxruntime",),
    "openvino": ("openvino",),
    "openvino-int8": ("openvino",),
}
"""Every runtime with the packages that it cannot run without; those that export may be more."""

PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "openvino", "nncf")
_VNNI = {"avx512_vnni", "avx_vnni", "avxvnni", "amx_int8", "asimddp"}


def installed(package: str) -> bool:
    """Whether ``package`` can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def installed_versions() -> dict[str, str]:
    """The versions of those of `PACKAGES` that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def fixed_precision(options: ModelOptions) -> str | None:
    """The precision of a runtime that ``options`` name; None where only PyTorch knows the device.

    `ModelOptions.backend` must not be ``"auto"``.
    """
    if options.backend == "torch":
        cuda = on_cuda(options.device_map)
        return None if cuda is None else "fp16" if cuda else "fp32"
    return options.backend if options.backend.endswith("-int8") else "fp32"


def on_cuda(device_map: str) -> bool | None:
    """Whether a model with this ``device_map`` runs on CUDA; None where only PyTorch knows."""
    if device_map != "auto":
        return device_map.partition(":")[0] == "cuda"
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "cuda"):
        return bool(torch.cuda.is_available())
    drivers = (Path("/dev/nvidiactl"), Path("/dev/kfd"), Path("/dev/dxg"))
    if sys.platform == "darwin" or (sys.platform == "linux" and not any(map(Path.exists, drivers))):
        return False
    # Looking up what is installed takes longer than looking for a driver.
    if not installed("torch") or "+cpu" in installed_versions().get("torch", ""):
        return False
    return None


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()} ({os.cpu_count()} cores)"
    except OSError:
        pass
    return f"{platform.processor() or platform.machine()} ({os.cpu_count()} cores)"


def multiplies_int8() -> bool:
    """Whether the processor has instructions that multiply and add bytes (VNNI, AMX, SDOT)."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return platform.machine() in ("arm64", "aarch64")
    return bool(words & _VNNI)


def threads() -> int | None:
    """``OMP_NUM_THREADS``, which only PyTorch reads by itself; None leaves it to the runtime."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdigit() and int(value) > 0 else None
