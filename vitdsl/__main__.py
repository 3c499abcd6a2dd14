"""`python -m vitdsl`."""

from __future__ import annotations

import sys

from vitdsl.cli import main

sys.exit(main())
