"""Values that a model learns from what was recorded beside the EMG: a followed cursor, joint angles, forces."""
