"""The data path, one file a direction."""
