"""`tare`, and `python -m tare_shim`."""

from tare_shim.cli import main

if __name__ == "__main__":
    main()
