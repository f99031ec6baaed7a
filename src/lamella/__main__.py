"""The command `lamella`, and `python -m lamella`."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; Ctrl-C while it is imported, which takes a moment, ends as it does later."""
    try:
        from lamella.cli.main import main as run  # noqa: PLC0415 - what takes the moment
    except KeyboardInterrupt:
        as_json = '{"error": "Abort", "message": "interrupted", "transient": false}'
        sys.exit(as_json if "--json" in sys.argv else "error: interrupted")
    run()


if __name__ == "__main__":
    main()
