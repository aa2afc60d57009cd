from __future__ import annotations

from dataclasses import dataclass, field

from std_msgs.msg import Header


@dataclass(kw_only=True)
class JointState:
    header: Header = field(default_factory=Header)
    name: list[str] = field(default_factory=list)
    position: list[float] = field(default_factory=list)
    velocity: list[float] = field(default_factory=list)
    effort: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        assert all(type(name) is str for name in self.name)
        assert all(type(value) is float for value in self.position)
