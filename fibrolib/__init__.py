"""fibrolib: can an ultrasound video stage liver fibrosis without a needle?

The package behind the numbered notebooks. Every room has one job; imports run downwards only
(see ``tests/test_layering.py`` for the order).
"""

__version__ = "0.1.0"
