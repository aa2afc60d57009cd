"""Trainings that clients ask for: in a queue, each in a process of its own, known to all workers."""
