"""``python facegrab.py -r ... -i ... -o ...`` from a checkout, as in 2018.

Imported from here it steps aside for the package of the same name.
"""

import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

if __name__ == "__main__":
    sys.exit(import_module("facegrab.cli").main())

del sys.modules[__name__]
import_module("facegrab")
