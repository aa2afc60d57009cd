"""Messages that take only what those of ROS take: a wrong type is an AssertionError there too."""

from __future__ import annotations

from dataclasses import dataclass, field

from builtin_interfaces.msg import Time


@dataclass(kw_only=True)
class Header:
    stamp: Time = field(default_factory=Time)
    frame_id: str = ""


@dataclass(kw_only=True)
class String:
    data: str = ""

    def __post_init__(self) -> None:
        assert type(self.data) is str


@dataclass(kw_only=True)
class Float32:
    data: float = 0.0

    def __post_init__(self) -> None:
        assert type(self.data) is float
        assert abs(self.data) <= 3.402823466e38


@dataclass(kw_only=True)
class Bool:
    data: bool = False

    def __post_init__(self) -> None:
        assert type(self.data) is bool
