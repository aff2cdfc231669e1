"""``python -m cnnapp``."""

from cnnapp.cli import main

if __name__ == "__main__":
    main()
