"""``python -m vesalius`` is the command line."""

from vesalius.cli import main

if __name__ == "__main__":
    main()
