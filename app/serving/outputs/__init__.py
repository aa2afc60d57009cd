"""Decisions for programs that speak no HTTP."""
