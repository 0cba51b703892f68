"""`python -m ccproxy`"""

from ccproxy.cli import main

if __name__ == "__main__":
    main(prog_name="ccproxy")
