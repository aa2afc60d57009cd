from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class Time:
    sec: int = 0
    nanosec: int = 0
