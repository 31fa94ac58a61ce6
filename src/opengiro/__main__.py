"""`python -m opengiro`: the command, for where its script is not on the path."""

from opengiro.wiring import main

if __name__ == "__main__":
    main()
