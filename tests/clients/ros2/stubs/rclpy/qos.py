from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class DurabilityPolicy(Enum):
    TRANSIENT_LOCAL = 1
    VOLATILE = 2


@dataclass(kw_only=True)
class QoSProfile:
    depth: int
    durability: DurabilityPolicy = DurabilityPolicy.VOLATILE
