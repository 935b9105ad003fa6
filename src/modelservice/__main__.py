"""`python -m modelservice`."""

from modelservice.cli import main

if __name__ == "__main__":
    main()
