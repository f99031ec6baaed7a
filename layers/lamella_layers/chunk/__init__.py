"""Layers that split a payload into parts."""
