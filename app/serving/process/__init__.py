"""Threads, CPU and memory of this process."""
