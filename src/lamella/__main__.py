"""`python -m lamella` is the command `lamella`."""

from lamella.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
