"""fibrolib: staging liver fibrosis from ultrasound images and videos.

The package behind the numbered notebooks. Every sub-package has one task; imports run downwards only
(see ``tests/test_layering.py`` for the order).
"""

__version__ = "0.1.0"
