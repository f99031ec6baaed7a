"""Keyrings: every key, its status, and where the document rests."""
