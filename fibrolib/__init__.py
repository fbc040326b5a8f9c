"""fibrolib: staging liver fibrosis from ultrasound images and videos.

The package behind the numbered notebooks. Every sub-package has one task; imports run downwards only
(import-linter, ``pyproject.toml`` for the order).
"""

__version__ = "0.1.0"
