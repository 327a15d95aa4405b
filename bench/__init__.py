"""Measures FaceGrab against the figures it promises: ``python -m bench``."""
