"""Layers that seal."""
