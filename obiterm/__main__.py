"""``python -m obiterm``."""

from obiterm.cli.main import main

raise SystemExit(main())
