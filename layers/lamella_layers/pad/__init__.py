"""Layers that pad, so that a length says less."""
