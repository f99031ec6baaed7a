"""The first-party layers and stores, registered by entry points exactly as anyone's plugin."""
