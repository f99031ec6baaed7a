"""Layers that compress."""
