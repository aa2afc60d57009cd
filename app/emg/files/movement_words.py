"""Words of which gestures are called, by which a gesture is told from a person or a session in a text."""

from __future__ import annotations

import re

WORDS = frozenset(
    re.findall(
        r"[a-z]+",
        """
        abduction adduction clench close closed closing cylinder cylindrical deviation down extension
        extend fist flex flexion finger fingers gesture grasp grip hand hold idle index key lateral left
        little middle motion movement neutral open opening palm paper peace pinch pinky point pointing
        power pronation pronate radial relax relaxed rest resting right ring rock scissors snap
        spherical spread stone supination supinate tap thumb tripod ulnar up victory wave wavein waveout
        wrist
        """,
    )
)
