"""Encryption and compression layers around a state backend."""
