"""`python -m litepose_edge`: the command line without its script."""

from litepose_edge.cli import main

if __name__ == "__main__":
    main()
