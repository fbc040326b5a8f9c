"""``python -m fibrolib``."""

from fibrolib.cli import main

if __name__ == "__main__":
    main()
