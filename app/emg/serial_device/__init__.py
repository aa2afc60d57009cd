"""Devices on a serial port."""
