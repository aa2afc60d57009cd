"""Gestures of a Myostream server as topics of ROS 2."""
